#include "frontend/frame_dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "base/prng.h"
#include "tests/unit/frontend/recording_commands.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Peer make(std::uint8_t number, Port port) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{9}, std::byte{9}, std::byte{9},
                                         std::byte{number}};
  return make_peer(port, id);
}

class FrameDispatchTest : public testing::Test {
 protected:
  FrameDispatchTest() {
    commands_.queue.name = "orders";
    commands_.queue.shards = 3;
    commands_.queue.subscriptions.emplace_back().name = "default";
    commands_.queue_id = base::QueueId(prng_.id128());
  }

  DispatchHooks hooks() {
    DispatchHooks hooks;
    hooks.random_id = [this] { return prng_.id128(); };
    hooks.stat = [](base::Now, std::string_view queue) -> base::Result<std::string> {
      if (queue == "nope") return base::not_found("queue: there is none");
      return "{\"queue\":\"" + std::string(queue) + "\"}";
    };
    hooks.observe = [this](base::Now) { return DispatchHooks::Observation{5, observed_}; };
    hooks.show_epoch = [this](std::uint64_t epoch) -> broker::Refusal {
      if (epoch < leader_epoch_) return {RefusalCode::kStaleLeader, "leader epoch: too low"};
      leader_epoch_ = epoch;
      return {};
    };
    hooks.configure = [this](base::Now, std::string_view text) -> base::Result<base::QueueId> {
      if (text == "bad") return base::invalid_argument("manifest:1: spec.shards: too many");
      return commands_.queue_id;
    };
    return hooks;
  }

  void receive(Peer peer, const wire::FrameHeader& header, const wire::Body& body) {
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    dispatch_.receive(now_, peer, bytes);
  }
  // Says hello on `peer` and returns the header for further frames.
  wire::FrameHeader open(Peer peer, const wire::Hello& hello = {}) {
    wire::FrameHeader header;
    header.request = 77;
    receive(peer, header, hello);
    release();
    const RecordingOutput::Sent& sent = output(peer).sent.back();
    const auto welcome = sent.body<wire::Welcome>();
    header.session = welcome.session;
    header.session_epoch = welcome.session_epoch;
    header.request = 0;
    return header;
  }
  RecordingOutput& output(Peer peer) { return port_of(peer) == Port::kClient ? client_ : control_; }
  // The broker's answer to a hello, and everything else that is in the gate.
  void release(std::uint64_t durable = 1'000) {
    if (const auto* open = commands_.last<broker::OpenSession>(); open != nullptr) {
      broker::SessionOpened opened;
      opened.origin.session = open->session;
      opened.leases_kept = leases_kept_;
      gate_.emit({}, opened);
    }
    gate_.release({base::Lsn(1'000), base::Lsn(1'000), base::Lsn(durable)},
                  [&](Effect&& effect) { dispatch_.pass(now_, std::move(effect)); });
  }
  // The refusal that was sent last.
  RefusalCode last_error(Peer peer) {
    const auto error = output(peer).sent.back().body<wire::ErrorFrame>();
    return static_cast<RefusalCode>(error.code);
  }
  broker::Deliver delivery(broker::SessionHandle session) {
    broker::Deliver effect;
    effect.session = session;
    effect.attachment = broker::AttachmentHandle(4);
    effect.epoch = base::Epoch(99);
    effect.lease_ms = 30'000;
    messages_.bytes = std::vector<std::byte>(20, std::byte{7});
    storage::EntrySlice slice;
    slice.bytes = 12;
    slice.first = base::Sequence(10);
    slice.count = 1;
    effect.runs.push_back({slice, base::WallTime(5), 0, 0});
    slice.offset = 12;
    slice.bytes = 8;
    slice.first = base::Sequence(20);
    effect.runs.push_back({slice, base::WallTime(5), 1, 0});
    effect.entries_bytes = 20;
    return effect;
  }
  broker::SessionHandle handle_of(const wire::FrameHeader& header) {
    return broker::SessionHandle(static_cast<std::uint32_t>(header.session));
  }

  base::Prng prng_{3};
  base::Now now_{base::MonoTime(1'000'000'000), base::WallTime(1'000)};
  SessionTable sessions_{{.ttl = base::Millis(10'000), .sessions_max = 8}, 2, [this] {
                           return base::SessionId(prng_.id128());
                         }};
  RecordingCommands commands_;
  EffectGate gate_;
  FixedMessages messages_;
  RecordingOutput client_;
  RecordingOutput control_;
  std::uint32_t leases_kept_ = 0;
  std::string observed_ = "{}";
  std::uint64_t leader_epoch_ = 0;
  FrameDispatch dispatch_{{sessions_, commands_, gate_, messages_, client_, control_},
                          hooks(),
                          {.incarnation = 2, .software = "sluice/test"}};
  const Peer peer_ = make(1, Port::kClient);
  const Peer operator_ = make(1, Port::kControl);
};

TEST_F(FrameDispatchTest, HelloIsWelcomedOnceTheBrokerKnowsTheSession) {
  wire::FrameHeader header;
  header.request = 77;
  wire::Hello hello;
  hello.client = "worker-1";
  receive(peer_, header, hello);
  EXPECT_THAT(client_.sent, SizeIs(0));
  ASSERT_NE(commands_.last<broker::OpenSession>(), nullptr);
  EXPECT_EQ(commands_.last<broker::OpenSession>()->client, "worker-1");
  EXPECT_FALSE(commands_.last<broker::OpenSession>()->resumed);
  release();
  ASSERT_THAT(client_.sent, SizeIs(1));
  EXPECT_EQ(client_.sent[0].frame().header.request, 77U);
  const auto welcome = client_.sent[0].body<wire::Welcome>();
  EXPECT_EQ(welcome.incarnation, 2U);
  EXPECT_EQ(welcome.session_ttl_ms, 10'000U);
  EXPECT_EQ(welcome.heartbeat_ms, 3'333U);
  EXPECT_FALSE(welcome.resumed);
  EXPECT_EQ(welcome.frame_bytes_max, wire::kFrameBytesMax);
}

TEST_F(FrameDispatchTest, OfTwoHellosOnlyTheLastIsWelcomed) {
  receive(peer_, {}, wire::Hello{});
  const broker::SessionHandle session = commands_.last<broker::OpenSession>()->session;
  wire::Hello again;
  again.session_id = commands_.last<broker::OpenSession>()->id;
  again.session_epoch = 1;
  receive(make(2, Port::kClient), {}, again);
  EXPECT_TRUE(commands_.last<broker::OpenSession>()->resumed);
  for (int i = 0; i < 2; ++i) {
    broker::SessionOpened opened;
    opened.origin.session = session;
    dispatch_.pass(now_, Effect(opened));
  }
  ASSERT_THAT(client_.sent, SizeIs(1));
  EXPECT_EQ(client_.sent[0].peer, make(2, Port::kClient));
  EXPECT_EQ(client_.sent[0].body<wire::Welcome>().session_epoch, 2U);
}

TEST_F(FrameDispatchTest, AConnectionThatBeginsAnewLeavesNoSessionBehind) {
  for (int i = 0; i < 20; ++i) receive(peer_, {}, wire::Hello{});  // more than sessions_max
  EXPECT_EQ(sessions_.size(), 1U);
  EXPECT_NE(commands_.last<broker::OpenSession>(), nullptr);  // the last of them, too
  EXPECT_THAT(client_.sent, IsEmpty());                       // nobody was refused
}

TEST_F(FrameDispatchTest, KeptLeasesMakeASessionAResumedOne) {
  leases_kept_ = 3;
  wire::Hello hello;
  hello.session_id = base::SessionId(prng_.id128());
  open(peer_, hello);
  EXPECT_TRUE(client_.sent[0].body<wire::Welcome>().resumed);
  EXPECT_EQ(client_.sent[0].body<wire::Welcome>().leases_kept, 3U);
}

TEST_F(FrameDispatchTest, AFrameWithoutASessionIsToldSo) {
  wire::FrameHeader header;
  header.request = 5;
  receive(peer_, header, wire::Resolve{"orders"});
  EXPECT_EQ(last_error(peer_), RefusalCode::kNoSession);
  EXPECT_EQ(client_.sent.back().frame().header.request, 5U);
  EXPECT_THAT(commands_.all, SizeIs(0));
}

TEST_F(FrameDispatchTest, AFrameOfAnOldConnectionIsFenced) {
  const wire::FrameHeader old = open(peer_);
  wire::Hello again;
  again.session_id = sessions_.find(peer_)->id;
  open(make(2, Port::kClient), again);
  const std::size_t before = commands_.all.size();
  receive(peer_, old, wire::Credit{1, 1, 1});
  EXPECT_EQ(last_error(peer_), RefusalCode::kSessionFenced);
  EXPECT_EQ(commands_.all.size(), before);
}

TEST_F(FrameDispatchTest, AMalformedBodyIsAnsweredWithTheFieldsName) {
  wire::FrameHeader header = open(peer_);
  header.request = 6;
  std::vector<std::byte> bytes;
  wire::encode_frame(header, wire::Credit{1, 2, 3}, bytes);
  bytes.pop_back();
  dispatch_.receive(now_, peer_, bytes);
  EXPECT_EQ(last_error(peer_), RefusalCode::kMalformed);
  EXPECT_THAT(std::string(client_.sent.back().body<wire::ErrorFrame>().message),
              HasSubstr("limit"));
  EXPECT_EQ(dispatch_.counters().refused_by_code.at(1), 1U);
}

TEST_F(FrameDispatchTest, WhatHasNoHeaderIsDroppedAndCounted) {
  dispatch_.receive(now_, peer_, std::vector<std::byte>(10));
  dispatch_.receive(now_, peer_, {});
  const base::ByteView told = dispatch_.receive_nobody();
  const auto error = wire::decode_frame(told);
  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(std::string(std::get<wire::ErrorFrame>(error->body).message),
              HasSubstr("routing id"));
  EXPECT_THAT(client_.sent, SizeIs(0));
  EXPECT_EQ(dispatch_.counters().refused_by_code.at(1), 3U);
  EXPECT_EQ(dispatch_.counters().frames_received, 3U);
}

TEST_F(FrameDispatchTest, AFrameOfTheBrokersIsRefused) {
  const wire::FrameHeader header = open(peer_);
  receive(peer_, header, wire::Settled{});
  EXPECT_EQ(last_error(peer_), RefusalCode::kMalformed);
}

TEST_F(FrameDispatchTest, ThePortsTakeOnlyTheirOwnFrames) {
  const wire::FrameHeader client = open(peer_);
  receive(peer_, client, wire::Observe{});
  EXPECT_EQ(last_error(peer_), RefusalCode::kPermissionDenied);
  const wire::FrameHeader control = open(operator_);
  receive(operator_, control, wire::Resolve{"orders"});
  EXPECT_EQ(last_error(operator_), RefusalCode::kPermissionDenied);
}

TEST_F(FrameDispatchTest, ResolveTellsIdMapAndSubscriptions) {
  const wire::FrameHeader header = open(peer_);
  receive(peer_, header, wire::Resolve{"orders"});
  const RecordingOutput::Sent& sent = client_.sent.back();
  const auto resolved = sent.body<wire::Resolved>();
  EXPECT_EQ(resolved.code, 0U);
  EXPECT_EQ(resolved.queue, commands_.queue_id);
  EXPECT_THAT(resolved.map.runs, SizeIs(3));
  ASSERT_THAT(resolved.subscriptions, SizeIs(1));
  EXPECT_EQ(resolved.subscriptions[0], "default");
  // No more than a batch can hold, whatever the queue would allow.
  EXPECT_EQ(resolved.message_bytes_max, base::kBatchEntriesBytesMax - base::kEntryHeaderBytes);
  receive(peer_, header, wire::Resolve{"order"});
  EXPECT_EQ(client_.sent.back().body<wire::Resolved>().code,
            static_cast<std::uint16_t>(RefusalCode::kUnknownQueue));
}

TEST_F(FrameDispatchTest, AStaleShardMapIsRefusedAndTheNewOneFollows) {
  wire::FrameHeader header = open(peer_);
  header.request = 8;
  wire::Attach attach;
  attach.queue = commands_.queue_id;
  attach.map_version = 9;
  receive(peer_, header, attach);
  ASSERT_GE(client_.sent.size(), 2U);
  const std::size_t last = client_.sent.size() - 1;
  EXPECT_EQ(client_.sent[last - 1].body<wire::Attached>().code,
            static_cast<std::uint16_t>(RefusalCode::kStaleShardMap));
  EXPECT_EQ(client_.sent[last].body<wire::ShardMap>().version, 1U);
  EXPECT_EQ(client_.sent[last].frame().header.request, 8U);
  EXPECT_EQ(commands_.count<broker::Attach>(), 0U);
}

TEST_F(FrameDispatchTest, AnAttachSaysWhichDeliveriesHaveArrived) {
  wire::FrameHeader header = open(peer_);
  header.request = 8;
  wire::Attach attach;
  attach.queue = commands_.queue_id;
  attach.map_version = 1;
  attach.last_epoch = 77;
  receive(peer_, header, attach);
  ASSERT_NE(commands_.last<broker::Attach>(), nullptr);
  EXPECT_EQ(commands_.last<broker::Attach>()->last_epoch, base::Epoch(77));
}

TEST_F(FrameDispatchTest, APublishIsAViewOfTheFrame) {
  wire::FrameHeader header = open(peer_);
  header.request = 9;
  const std::vector<std::byte> entries(64, std::byte{1});
  const wire::Publish publish{3, 1, 5, 2, entries};
  std::vector<std::byte> bytes;
  wire::encode_frame(header, publish, bytes);
  dispatch_.receive(now_, peer_, bytes);
  const auto* command = commands_.last<broker::Publish>();
  ASSERT_NE(command, nullptr);
  EXPECT_EQ(command->origin.request, broker::RequestId(9));
  EXPECT_EQ(command->producer_sequence, 5U);
  EXPECT_EQ(command->entries.data(), bytes.data() + wire::kPublishPrefixBytes);
}

TEST_F(FrameDispatchTest, ASettleWithoutARequestNumberWantsNoReply) {
  wire::FrameHeader header = open(peer_);
  wire::Settle settle;
  settle.attachment = 4;
  settle.receipts.push_back({99, 10, 12, 0});
  receive(peer_, header, settle);
  EXPECT_FALSE(commands_.last<broker::Settle>()->wants_reply);
  header.request = 3;
  receive(peer_, header, settle);
  EXPECT_TRUE(commands_.last<broker::Settle>()->wants_reply);
  ASSERT_THAT(commands_.last<broker::Settle>()->receipts, SizeIs(1));
  EXPECT_EQ(commands_.last<broker::Settle>()->receipts[0].range.last, base::Sequence(12));
}

TEST_F(FrameDispatchTest, AWordIsAReceiptForEachRowOfItsMessages) {
  const wire::FrameHeader header = open(peer_);
  wire::Settle settle;
  settle.attachment = 4;
  const std::uint64_t highest = std::uint64_t{1} << 63;
  settle.receipts = {{98, 1, 9, 0},
                     {99, 10, 0, 0b1101101},
                     {99, 100, 0, ~std::uint64_t{0}},
                     {99, 200, 0, highest | 1}};
  receive(peer_, header, settle);
  std::vector<std::vector<std::uint64_t>> got;
  for (const broker::Receipt& receipt : commands_.last<broker::Settle>()->receipts) {
    got.push_back({receipt.epoch.value(), receipt.range.first.value(), receipt.range.last.value()});
  }
  EXPECT_THAT(
      got, testing::ElementsAreArray(std::vector<std::vector<std::uint64_t>>{{98, 1, 9},
                                                                             {99, 10, 10},
                                                                             {99, 12, 13},
                                                                             {99, 15, 16},
                                                                             {99, 100, 163},
                                                                             {99, 200, 200},
                                                                             {99, 263, 263}}));
}

TEST_F(FrameDispatchTest, ADeliveryIsBuiltFromTheStore) {
  const wire::FrameHeader header = open(peer_);
  dispatch_.pass(now_, Effect(delivery(handle_of(header))));
  const RecordingOutput::Sent& sent = client_.sent.back();
  const auto frame = sent.body<wire::Deliver>();
  EXPECT_EQ(frame.epoch, 99U);
  EXPECT_EQ(frame.attachment, 4U);
  ASSERT_THAT(frame.runs, SizeIs(2));
  EXPECT_EQ(frame.runs[1].first, 20U);
  EXPECT_EQ(frame.runs[1].attempts, 1U);
  EXPECT_EQ(frame.entries.size(), 20U);
}

TEST_F(FrameDispatchTest, WhatWasReadWhenItWasDecidedIsNotReadAgain) {
  const wire::FrameHeader header = open(peer_);
  broker::Deliver effect = delivery(handle_of(header));
  auto entries = std::make_shared<std::byte[]>(20);
  std::fill_n(entries.get(), 20, std::byte{9});
  effect.entries = entries;
  messages_.unreadable = true;
  dispatch_.pass(now_, Effect(std::move(effect)));
  const auto frame = client_.sent.back().body<wire::Deliver>();
  EXPECT_THAT(frame.entries, testing::ElementsAreArray(std::vector<std::byte>(20, std::byte{9})));
}

TEST_F(FrameDispatchTest, ADeliveryThatNobodyReceivesGoesBackAndNoMoreCome) {
  const wire::FrameHeader header = open(peer_);
  client_.result = SendResult::kNoPeer;
  dispatch_.pass(now_, Effect(delivery(handle_of(header))));
  const auto* settle = commands_.last<broker::Settle>();
  ASSERT_NE(settle, nullptr);
  EXPECT_EQ(settle->kind, broker::SettleKind::kRelease);
  EXPECT_THAT(settle->receipts, SizeIs(2));
  EXPECT_EQ(commands_.count<broker::Credit>(), 1U);
  EXPECT_FALSE(sessions_.find(handle_of(header))->connected);
  EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(FrameDispatchTest, AnUnreadableDeliveryGoesBack) {
  const wire::FrameHeader header = open(peer_);
  messages_.unreadable = true;
  dispatch_.pass(now_, Effect(delivery(handle_of(header))));
  ASSERT_NE(commands_.last<broker::Settle>(), nullptr);
  EXPECT_EQ(commands_.count<broker::Credit>(), 0U);
}

TEST_F(FrameDispatchTest, ASessionThatDoesNotReadIsDropped) {
  const wire::FrameHeader header = open(peer_);
  client_.result = SendResult::kOverflow;
  broker::SettleReply reply;
  reply.origin.session = handle_of(header);
  dispatch_.pass(now_, Effect(reply));
  EXPECT_EQ(sessions_.size(), 0U);
  ASSERT_NE(commands_.last<broker::SessionGone>(), nullptr);
  EXPECT_EQ(commands_.last<broker::SessionGone>()->end, broker::SessionEnd::kLost);
  EXPECT_THAT(client_.forgotten, testing::ElementsAre(peer_));
}

TEST_F(FrameDispatchTest, GoodbyeIsAnsweredBehindWhatIsUnderWay) {
  wire::FrameHeader header = open(peer_);
  broker::SettleReply reply;
  reply.origin.session = handle_of(header);
  gate_.emit({base::Lsn(500), true}, reply);
  receive(peer_, header, wire::Goodbye{});
  EXPECT_EQ(commands_.last<broker::SessionGone>()->end, broker::SessionEnd::kClosed);
  const std::size_t before = client_.sent.size();
  release(400);
  EXPECT_EQ(client_.sent.size(), before);
  release(500);
  ASSERT_EQ(client_.sent.size(), before + 2);
  client_.sent[before].body<wire::Settled>();
  client_.sent[before + 1].body<wire::GoodbyeReply>();
  EXPECT_EQ(sessions_.size(), 0U);
}

TEST_F(FrameDispatchTest, ASilentSessionIsLost) {
  open(peer_);
  now_.mono = now_.mono + base::Millis(9'999);
  dispatch_.tick(now_);
  EXPECT_EQ(commands_.last<broker::SessionGone>(), nullptr);
  now_.mono = now_.mono + base::Millis(1);
  dispatch_.tick(now_);
  ASSERT_NE(commands_.last<broker::SessionGone>(), nullptr);
  EXPECT_EQ(commands_.last<broker::SessionGone>()->end, broker::SessionEnd::kLost);
}

TEST_F(FrameDispatchTest, AHeartbeatIsReturnedAndKeepsTheSession) {
  const wire::FrameHeader header = open(peer_);
  now_.mono = now_.mono + base::Millis(9'999);
  receive(peer_, header, wire::Heartbeat{1234});
  EXPECT_EQ(client_.sent.back().body<wire::HeartbeatReply>().sent_ns, 1234U);
  now_.mono = now_.mono + base::Millis(9'999);
  dispatch_.tick(now_);
  EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(FrameDispatchTest, StatAnswersJsonOrWhyNot) {
  const wire::FrameHeader header = open(peer_);
  receive(peer_, header, wire::Stat{"orders"});
  EXPECT_EQ(client_.sent.back().body<wire::Stated>().json, "{\"queue\":\"orders\"}");
  receive(peer_, header, wire::Stat{"nope"});
  EXPECT_EQ(client_.sent.back().body<wire::Stated>().code,
            static_cast<std::uint16_t>(RefusalCode::kUnknownQueue));
}

TEST_F(FrameDispatchTest, ObservationsComeWhenSomethingChangedAndNowAndThen) {
  wire::FrameHeader header = open(operator_);
  header.request = 12;
  EXPECT_EQ(commands_.count<broker::OpenSession>(), 0U);
  receive(operator_, header, wire::Observe{100});
  const std::size_t first = control_.sent.size();
  EXPECT_EQ(control_.sent.back().body<wire::Observation>().revision, 5U);
  EXPECT_EQ(control_.sent.back().frame().header.request, 12U);
  const auto after = [&](int ms) {
    now_.mono = now_.mono + base::Millis(ms);
    dispatch_.tick(now_);
    return control_.sent.size() - first;
  };
  observed_ = "{\"ready\":1}";
  EXPECT_EQ(after(199), 0U);  // not more often than every 200 ms
  EXPECT_EQ(after(1), 1U);
  EXPECT_EQ(after(200), 1U);  // unchanged
  EXPECT_EQ(after(2'000), 2U);
  receive(operator_, header, wire::Observe{0});
  observed_ = "{\"ready\":2}";
  EXPECT_EQ(after(1'000), 3U);  // the one that was asked for, and no more
}

TEST_F(FrameDispatchTest, RandomBytesLeaveNoTrace) {
  const wire::FrameHeader header = open(peer_);
  const std::size_t commands = commands_.all.size();
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bytes(prng_.below(64));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng_.below(256));
    dispatch_.receive(now_, peer_, bytes);
    client_.sent.clear();
  }
  EXPECT_EQ(commands_.all.size(), commands);
  EXPECT_EQ(sessions_.size(), 1U);
  EXPECT_EQ(sessions_.find(handle_of(header))->epoch, header.session_epoch);
}

TEST_F(FrameDispatchTest, the_broker_is_told_what_of_its_deliveries_has_left) {
  const auto header = open(make(1, Port::kClient));
  messages_.bytes = std::vector<std::byte>(256 * 1024);
  const auto deliver = [&](int count) {
    for (int i = 0; i < count; ++i) {
      broker::Deliver effect = delivery(handle_of(header));
      messages_.bytes = std::vector<std::byte>(256 * 1024);
      effect.runs.resize(1);
      effect.runs[0].slice.offset = 0;
      effect.runs[0].slice.bytes = 256 * 1024 - broker::Deliver::kFrameCostBytes;
      effect.entries_bytes = effect.runs[0].slice.bytes;
      dispatch_.pass(now_, effect);
    }
  };
  const auto look = [&](std::int64_t ms) {
    now_.mono = now_.mono + base::Nanos(base::Millis(ms));
    const std::size_t before = commands_.all.size();
    dispatch_.send_pieces(now_);
    std::uint64_t left = 0;
    for (std::size_t i = before; i < commands_.all.size(); ++i) {
      left += std::get<broker::DeliveriesLeft>(commands_.all[i]).bytes;
    }
    return left;
  };
  deliver(3);  // too little to be worth it
  EXPECT_EQ(look(100), 0U);
  deliver(5);
  client_.waiting = 2U << 20;
  EXPECT_EQ(look(0), 0U);
  ASSERT_TRUE(dispatch_.next_tick().has_value());
  EXPECT_LE(*dispatch_.next_tick(), now_.mono + 2'000'000);
  client_.waiting = 512 << 10;
  EXPECT_EQ(look(2), 1'536U << 10);
  client_.waiting = 0;
  EXPECT_EQ(look(10), 0U);  // the rest is told with what comes
  deliver(2);
  EXPECT_EQ(look(10), 1U << 20);
}

}  // namespace
}  // namespace sluice::frontend
