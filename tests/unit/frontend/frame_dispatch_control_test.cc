#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/prng.h"
#include "frontend/frame_dispatch.h"
#include "tests/unit/frontend/recording_commands.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint16_t number(RefusalCode code) { return static_cast<std::uint16_t>(code); }

class ControlPortTest : public testing::Test {
 protected:
  ControlPortTest() {
    commands_.queue.name = "orders";
    commands_.queue_id = base::QueueId(prng_.id128());
    header_ = open();
  }

  DispatchHooks hooks() {
    DispatchHooks hooks;
    hooks.random_id = [this] { return prng_.id128(); };
    hooks.show_epoch = [this](std::uint64_t epoch) -> broker::Refusal {
      if (epoch < leader_epoch_) return {RefusalCode::kStaleLeader, "leader epoch: 6 is below 7"};
      leader_epoch_ = epoch;
      return {};
    };
    hooks.picture = [this](base::Now) {
      ++looks_;
      ControlPicture picture;
      picture.revision = 5;
      picture.leader_epoch = leader_epoch_;
      picture.queues = std::make_shared<const std::vector<broker::QueuePicture>>(queues_);
      picture.cost = cost_;
      return picture;
    };
    hooks.configure = [this](base::Now, std::string_view text) -> base::Result<base::QueueId> {
      ++configured_;
      if (text == "bad") return base::invalid_argument("manifest:1: spec.shards: too many");
      return commands_.queue_id;
    };
    return hooks;
  }
  void receive(const wire::Body& body) {
    std::vector<std::byte> bytes;
    ++header_.request;
    wire::encode_frame(header_, body, bytes);
    dispatch_.receive(now_, operator_, bytes);
  }
  wire::FrameHeader open() {
    std::vector<std::byte> bytes;
    wire::encode_frame({}, wire::Hello{}, bytes);
    dispatch_.receive(now_, operator_, bytes);
    const auto welcome = control_.sent.back().body<wire::Welcome>();
    EXPECT_NE(welcome.features & wire::kFeatureControl, 0U);
    wire::FrameHeader header;
    header.session = welcome.session;
    header.session_epoch = welcome.session_epoch;
    control_.sent.clear();
    return header;
  }
  void release(std::uint64_t durable = 1'000) {
    gate_.release({base::Lsn(1'000), base::Lsn(1'000), base::Lsn(durable)},
                  [&](Effect&& effect) { dispatch_.pass(now_, std::move(effect)); });
  }
  template <typename T>
  T last() {
    return control_.sent.back().body<T>();
  }
  // CHANGES that came within so many milliseconds, in which the loop did its rounds.
  std::size_t sent_after(int ms) {
    const std::size_t before = control_.sent.size();
    for (int i = 0; i < ms; ++i) {
      now_.mono = now_.mono + base::Millis(1);
      const auto next = dispatch_.next_tick();
      if (next && *next <= now_.mono) dispatch_.tick(now_);
    }
    return control_.sent.size() - before;
  }
  void change(std::uint64_t ready) {
    queues_.front().subscriptions.front().ready = ready;
    ++commands_.changed;
  }

  static Peer control_peer() {
    const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{9}, std::byte{9}, std::byte{9},
                                           std::byte{1}};
    return make_peer(Port::kControl, id);
  }

  base::Prng prng_{3};
  base::Now now_{base::MonoTime(1'000'000'000), base::WallTime(1'000)};
  SessionTable sessions_{{.ttl = base::Millis(3'600'000), .sessions_max = 8}, 2, [this] {
                           return base::SessionId(prng_.id128());
                         }};
  RecordingCommands commands_;
  EffectGate gate_;
  FixedMessages messages_;
  RecordingOutput client_;
  RecordingOutput control_;
  std::uint64_t leader_epoch_ = 0;
  int looks_ = 0;
  int configured_ = 0;
  base::Nanos cost_{0};
  std::vector<broker::QueuePicture> queues_{[] {
    broker::QueuePicture queue;
    queue.name = "orders";
    queue.subscriptions.emplace_back().name = "default";
    return queue;
  }()};
  FrameDispatch dispatch_{{sessions_, commands_, gate_, messages_, client_, control_},
                          hooks(),
                          {.incarnation = 2, .software = "sluice/test"}};
  const Peer operator_ = control_peer();
  wire::FrameHeader header_;
};

TEST_F(ControlPortTest, ConfiguredIsAnsweredWhenItIsDurable) {
  receive(wire::Configure{7, "good"});
  // Nobody else may ask for a sync: broker_sim --workload removal --seed 2.
  EXPECT_EQ(commands_.syncs_asked, 1);
  release(99);
  EXPECT_THAT(control_.sent, SizeIs(0));
  release(100);
  EXPECT_EQ(last<wire::Configured>().queue, commands_.queue_id);
}

TEST_F(ControlPortTest, ABadManifestIsRefusedWithItsPlace) {
  receive(wire::Configure{7, "bad"});
  release();
  EXPECT_THAT(std::string(last<wire::Configured>().message), HasSubstr("spec.shards"));
}

// There is nothing to be found again by a later start, and a queue that never syncs would pay for
// it.
TEST_F(ControlPortTest, ARefusedManifestWaitsForNoSync) {
  receive(wire::Configure{7, "bad"});
  EXPECT_EQ(commands_.syncs_asked, 0);
  release(0);
  ASSERT_THAT(control_.sent, SizeIs(1));
  EXPECT_NE(last<wire::Configured>().code, 0U);
}

TEST_F(ControlPortTest, AnOlderLeaderChangesNothing) {
  receive(wire::Configure{7, "good"});
  release();
  ASSERT_EQ(configured_, 1);
  receive(wire::Configure{6, "good"});
  release();
  EXPECT_EQ(last<wire::Configured>().code, number(RefusalCode::kStaleLeader));
  EXPECT_THAT(std::string(last<wire::Configured>().message), HasSubstr("6 is below 7"));
  receive(wire::RemoveQueue{6, "orders", false});
  EXPECT_EQ(last<wire::QueueRemoved>().code, number(RefusalCode::kStaleLeader));
  receive(wire::Cordon{6, 1'000, "worker"});
  EXPECT_EQ(last<wire::Cordoned>().code, number(RefusalCode::kStaleLeader));
  EXPECT_EQ(configured_, 1);
  EXPECT_TRUE(commands_.all.empty());
}

TEST_F(ControlPortTest, AQueueIsRemovedByItsNameAndCounted) {
  receive(wire::RemoveQueue{7, "orders", true});
  const auto* command = commands_.last<broker::DeleteQueue>();
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->queue, commands_.queue_id);
  EXPECT_TRUE(command->if_empty && command->counted);
  broker::DeleteReply reply;
  reply.origin = command->origin;
  reply.counted = true;
  reply.refusal = {RefusalCode::kNotEmpty, "queue orders is not empty"};
  reply.holdings.dead = 3;
  gate_.emit({}, reply);
  release();
  EXPECT_EQ(last<wire::QueueRemoved>().code, number(RefusalCode::kNotEmpty));
  EXPECT_EQ(last<wire::QueueRemoved>().dead, 3U);
}

TEST_F(ControlPortTest, AQueueThatIsNotThereCountsAsRemoved) {
  receive(wire::RemoveQueue{7, "emails", false});
  EXPECT_EQ(commands_.last<broker::DeleteQueue>(), nullptr);
  // Somebody may have removed it just now.
  EXPECT_EQ(commands_.syncs_asked, 1);
  release(99);
  EXPECT_THAT(control_.sent, SizeIs(0));
  release(100);
  ASSERT_THAT(control_.sent, SizeIs(1));
  EXPECT_EQ(last<wire::QueueRemoved>().code, 0U);
}

TEST_F(ControlPortTest, ACordonIsTheBrokersAndAnswersWhatIsInFlight) {
  receive(wire::Cordon{7, 30'000, "worker-0"});
  const auto* command = commands_.last<broker::Cordon>();
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->consumer, "worker-0");
  EXPECT_EQ(command->lease, base::Millis(30'000));
  gate_.emit({}, broker::CordonReply{command->origin, {}, 12});
  release();
  EXPECT_EQ(last<wire::Cordoned>().in_flight, 12U);
}

TEST_F(ControlPortTest, TheFirstObservationIsWholeAndComesAtOnce) {
  receive(wire::Watch{200});
  ASSERT_THAT(control_.sent, SizeIs(1));
  const auto changes = last<wire::Changes>();
  EXPECT_EQ(control_.sent.back().frame().header.request, header_.request);
  EXPECT_EQ(changes.observation, 1U);
  EXPECT_TRUE(changes.last);
  EXPECT_EQ(changes.revision, 5U);
  ASSERT_THAT(changes.changes, SizeIs(2));
  EXPECT_EQ(std::get<wire::QueueChange>(changes.changes[0]).name, "orders");
}

TEST_F(ControlPortTest, AChangeAfterARestIsToldAtOnceAndTheNextOnesAtMostEvery200Ms) {
  receive(wire::Watch{200});
  EXPECT_EQ(sent_after(1'000), 0U);
  change(1);
  EXPECT_EQ(sent_after(1), 1U);
  EXPECT_EQ(std::get<wire::SubscriptionChange>(last<wire::Changes>().changes.back()).ready, 1U);
  for (std::uint64_t ready = 2; ready <= 150; ++ready) {
    change(ready);
    EXPECT_EQ(sent_after(1), 0U);
  }
  EXPECT_EQ(sent_after(51), 1U);
  EXPECT_EQ(std::get<wire::SubscriptionChange>(last<wire::Changes>().changes.back()).ready, 150U);
  EXPECT_EQ(last<wire::Changes>().observation, 3U);
}

TEST_F(ControlPortTest, ASignOfLifeDelaysNoNews) {
  receive(wire::Watch{200});
  EXPECT_EQ(sent_after(2'000), 1U);  // nothing new for 2 s
  EXPECT_THAT(last<wire::Changes>().changes, SizeIs(0));
  EXPECT_EQ(sent_after(10), 0U);
  change(1);
  EXPECT_EQ(sent_after(1), 1U);
}

TEST_F(ControlPortTest, WhatChangesNothingThatIsWatchedIsNotTold) {
  receive(wire::Watch{200});
  sent_after(500);
  ++commands_.changed;
  EXPECT_EQ(sent_after(500), 0U);
}

TEST_F(ControlPortTest, LookingTakesASmallShareOfTheLoop) {
  cost_ = base::Millis(5);
  receive(wire::Watch{200});
  looks_ = 0;
  for (int i = 0; i < 2'000; ++i) {
    change(static_cast<std::uint64_t>(i));
    sent_after(1);
  }
  // 5 ms, and as long again to compare, are a fiftieth of half a second.
  EXPECT_LE(looks_, 4);
  EXPECT_GE(looks_, 3);
}

TEST_F(ControlPortTest, TwoWhoWatchShareALook) {
  receive(wire::Watch{200});
  sent_after(500);
  looks_ = 0;
  receive(wire::Watch{200});  // anew: whole again
  EXPECT_EQ(last<wire::Changes>().observation, 1U);
  EXPECT_EQ(looks_, 1);
}

TEST_F(ControlPortTest, NothingIsSentAfterTheWatchHasEnded) {
  receive(wire::Watch{200});
  receive(wire::Watch{0});
  change(1);
  EXPECT_EQ(sent_after(5'000), 0U);
}

TEST_F(ControlPortTest, AConnectionThatIsGoneIsNotWatchedFor) {
  receive(wire::Watch{200});
  dispatch_.disconnected(now_, operator_);
  looks_ = 0;
  change(1);
  sent_after(5'000);
  EXPECT_EQ(looks_, 0);
}

}  // namespace
}  // namespace sluice::frontend
