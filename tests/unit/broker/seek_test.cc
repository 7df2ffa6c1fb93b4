#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SeekTest : public testing::Test {
 protected:
  void SetUp() override {
    config.subscriptions.push_back(config.subscriptions[0]);
    config.subscriptions[1].name = "audit";
    queue = world.make(config);
    for (int i = 0; i < 5; ++i) {
      world.fill(queue, 2);  // 1-2, 3-4 ...
      world.sleep(10s);
    }
  }
  std::vector<Got> take() {
    if (session == SessionHandle()) world.attach(session = world.open(2), queue);
    return world.take();
  }
  std::vector<std::uint64_t> taken() { return World::sequences(take()); }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue;
  SessionHandle session;
};

TEST_F(SeekTest, to_the_end_settles_what_waits_for_this_subscription_only) {
  EXPECT_EQ(world.seek(queue, Seek::To::kEnd).sequence, base::Sequence(11));
  EXPECT_EQ(world.sink.seeks.back().wait.lsn, world.log.records().back().at.end);
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_EQ(world.stats("orders", "audit").ready, 10U);
  world.fill(queue, 1);
  EXPECT_THAT(taken(), ElementsAre(11));
}

TEST_F(SeekTest, to_a_sequence_skips_what_lies_before) {
  EXPECT_EQ(world.seek(queue, Seek::To::kSequence, 8).sequence, base::Sequence(8));
  EXPECT_THAT(taken(), ElementsAre(8, 9, 10));
  EXPECT_EQ(world.seek(queue, Seek::To::kSequence, 1'000).sequence, base::Sequence(11));
}

TEST_F(SeekTest, to_a_time_finds_the_first_message_accepted_then_or_later) {
  const std::int64_t start = 1'700'000'000'000;
  const auto at = [&](std::int64_t ms) {
    return world.seek(queue, Seek::To::kTime, static_cast<std::uint64_t>(start + ms)).sequence;
  };
  EXPECT_EQ(at(-1), base::Sequence(1));
  EXPECT_EQ(at(0), base::Sequence(1));
  EXPECT_EQ(at(1), base::Sequence(3));
  EXPECT_EQ(at(30'000), base::Sequence(7));
  EXPECT_EQ(at(40'001), base::Sequence(11));
}

TEST_F(SeekTest, back_makes_ready_what_another_subscription_still_has) {
  world.ack(take());
  EXPECT_EQ(world.seek(queue, Seek::To::kSequence, 9).sequence, base::Sequence(9));
  EXPECT_THAT(taken(), ElementsAre(9, 10));
  EXPECT_EQ(world.queue_stats().messages, 10U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  world.restart();
  session = {};
  EXPECT_EQ(world.stats().in_flight, 2U);
}

TEST_F(SeekTest, back_brings_nothing_that_everybody_has_settled) {
  world.ack(take());
  world.seek(queue, Seek::To::kEnd, 0, "audit");
  EXPECT_EQ(world.queue_stats().messages, 0U);
  world.seek(queue, Seek::To::kFirst);
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST_F(SeekTest, what_is_leased_before_the_place_is_settled_and_behind_it_stays_leased) {
  const auto got = take();
  world.seek(queue, Seek::To::kSequence, 9);
  EXPECT_EQ(world.stats().in_flight, 2U);
  EXPECT_EQ(world.settle(SettleKind::kFail, got.front()).stale, 1U);
  EXPECT_EQ(world.ack(got.back()).settled, 1U);
}

TEST_F(SeekTest, dead_letters_stay_dead) {
  for (const Got& one : take()) world.settle(SettleKind::kReject, one);
  world.seek(queue, Seek::To::kFirst);
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_EQ(world.stats().dead_lettered, 10U);
}

TEST_F(SeekTest, to_the_end_and_back_delivers_nothing_before_its_time) {
  take();
  base::Message later = with_body("later");
  later.deliver_at = world.now.wall + 60'000;
  world.send(queue, {later});
  world.seek(queue, Seek::To::kEnd);
  world.seek(queue, Seek::To::kSequence, 11);
  world.tick();
  EXPECT_THAT(taken(), IsEmpty());
  EXPECT_EQ(world.stats().delayed, 1U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  world.sleep(60s);
  EXPECT_THAT(taken(), ElementsAre(11));
}

class LongSeekTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMessages = 20'000;

  // All of them failed, so that each has entries of its own to be removed.
  void SetUp() override {
    world.fill(queue, kMessages / 2);
    world.fill(queue, kMessages / 2);
    attachment = world.attach(session, queue).attachment;
    world.tick();
    for (const Got& got : world.take()) {
      if (receipts.empty() || receipts.back().epoch != got.epoch) {
        receipts.push_back(got.receipt());
      }
      receipts.back().range.last = got.sequence;
    }
    world.settle(SettleKind::kFail, session, attachment, receipts, "why", 3600s);
    ASSERT_EQ(world.stats().delayed, kMessages);
  }

  World world;
  base::QueueId queue = world.make(plain_queue());
  SessionHandle session = world.open(2);
  AttachmentHandle attachment;
  std::vector<Receipt> receipts;
};

TEST_F(LongSeekTest, is_done_in_steps_and_answered_when_nothing_is_left) {
  Seek command;
  command.queue = queue;
  command.subscription = "default";
  command.to = Seek::To::kEnd;
  world.broker->apply(world.now, command);
  EXPECT_THAT(world.sink.seeks, IsEmpty());
  world.fill(queue, 1);
  std::uint64_t left = world.stats().delayed;
  EXPECT_GT(left, kMessages / 2);
  for (int steps = 0; left > 0; ++steps) {
    ASSERT_LT(steps, 20);
    EXPECT_THAT(world.take(), IsEmpty());
    world.broker->tick(world.now);
    const std::uint64_t now_left = world.stats().delayed;
    EXPECT_LE(left - now_left, 5'000U);
    left = now_left;
  }
  world.tick();
  ASSERT_EQ(world.sink.seeks.size(), 1U);
  EXPECT_EQ(world.sink.seeks[0].effect.sequence, base::Sequence(kMessages + 1));
  EXPECT_EQ(World::sequences(world.take()), std::vector<std::uint64_t>{kMessages + 1});
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST_F(LongSeekTest, a_second_one_brings_back_what_the_first_skips) {
  QueueConfig config = plain_queue();
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "audit";
  config.subscriptions[1].start = StartPosition::kAll;
  world.make(config);
  Seek command;
  command.queue = queue;
  command.subscription = "default";
  command.to = Seek::To::kEnd;
  world.broker->apply(world.now, command);
  command.to = Seek::To::kFirst;
  world.broker->apply(world.now, command);
  EXPECT_THAT(world.sink.seeks, IsEmpty());
  world.tick();
  ASSERT_EQ(world.sink.seeks.size(), 2U);
  EXPECT_EQ(world.sink.seeks[1].effect.sequence, base::Sequence(1));
  EXPECT_EQ(world.take().size(), kMessages);
}

TEST_F(LongSeekTest, a_second_one_waits_for_the_first) {
  Seek command;
  command.queue = queue;
  command.subscription = "default";
  command.origin.request = RequestId(1);
  command.to = Seek::To::kEnd;
  world.broker->apply(world.now, command);
  command.origin.request = RequestId(2);
  command.to = Seek::To::kSequence;
  command.value = 5;
  world.broker->apply(world.now, command);
  world.tick();
  ASSERT_EQ(world.sink.seeks.size(), 2U);
  EXPECT_EQ(world.sink.seeks[0].effect.origin.request, RequestId(1));
  EXPECT_EQ(world.sink.seeks[1].effect.sequence, base::Sequence(5));
}

TEST_F(LongSeekTest, is_refused_when_the_queue_goes_meanwhile) {
  Seek command;
  command.queue = queue;
  command.subscription = "default";
  command.to = Seek::To::kEnd;
  world.broker->apply(world.now, command);
  world.broker->apply(world.now, DeleteQueue{{}, queue});
  world.tick();
  ASSERT_EQ(world.sink.seeks.size(), 1U);
  EXPECT_EQ(world.sink.seeks[0].effect.refusal.code, RefusalCode::kUnknownSubscription);
}

TEST_F(SeekTest, an_older_log_is_told_what_to_do) {
  world.log.set_feature_level(1);
  world.ack(take());
  const SeekReply reply = world.seek(queue, Seek::To::kFirst);
  EXPECT_EQ(reply.refusal.code, RefusalCode::kUnimplemented);
  EXPECT_THAT(reply.refusal.message, HasSubstr("--log-feature-level 2"));
  EXPECT_FALSE(world.seek(queue, Seek::To::kEnd).refusal.refused());
}

TEST_F(SeekTest, an_unknown_subscription_is_refused) {
  EXPECT_EQ(world.seek(queue, Seek::To::kEnd, 0, "nobody").refusal.code,
            RefusalCode::kUnknownSubscription);
}

}  // namespace
}  // namespace sluice::broker
