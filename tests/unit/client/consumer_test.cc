#include "client/consumer.h"

#include <gtest/gtest.h>

#include "client/delivery_credit.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/fake_transport.h"

namespace sluice::client {
namespace {

using base::ErrorCode;
using base::Millis;
using test::HasCode;
using test::IsOk;
using wire::Code;

class ConsumerTest : public testing::Test {
 protected:
  ~ConsumerTest() override { consumer_.reset(); }

  base::Status open(ConsumerOptions options = {}) {
    auto transport = std::make_unique<FakeTransport>(broker_);
    transport_ = transport.get();
    ASSIGN_OR_RETURN(connection_, Connection::open({}, std::move(transport)));
    if (options.queue.empty()) options.queue = "orders";
    ASSIGN_OR_RETURN(consumer_, Consumer::open(*connection_, std::move(options)));
    return {};
  }
  // The next batch; there must be one.
  DeliveredBatch fetch() {
    base::Result<std::optional<DeliveredBatch>> batch = consumer_->poll(Millis(1'000));
    CHECK(batch.has_value() && batch->has_value());
    return std::move(**batch);
  }
  void reconnect() {
    const std::uint64_t before = connection_->reconnects();
    transport_->cut();
    ASSERT_THAT(
        connection_->poll_until([&] { return connection_->reconnects() > before; }, Millis(5'000)),
        IsOk());
  }

  FakeBroker broker_;
  FakeTransport* transport_ = nullptr;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Consumer> consumer_;
};

TEST_F(ConsumerTest, GivesTheFirstCreditWithTheAttachment) {
  ConsumerOptions options;
  options.messages_max = 100;
  options.bytes_max = 10'000;
  ASSERT_THAT(open(options), IsOk());
  ASSERT_EQ(broker_.credits.size(), 1U);
  EXPECT_EQ(broker_.credits[0].messages_limit, 100U);
  EXPECT_EQ(broker_.credits[0].bytes_limit, 10'000U);
}

TEST_F(ConsumerTest, SharesTheCreditAmongTheShards) {
  broker_.shards = 4;
  ConsumerOptions options;
  options.messages_max = 100;
  ASSERT_THAT(open(options), IsOk());
  ASSERT_EQ(broker_.credits.size(), 4U);
  EXPECT_EQ(broker_.credits[3].messages_limit, 25U);
}

TEST_F(ConsumerTest, SaysThatASubscriptionDoesNotExist) {
  broker_.attach_refusals = {Code::kUnknownSubscription};
  EXPECT_THAT(open(), HasCode(ErrorCode::kNotFound));
}

TEST_F(ConsumerTest, WaitsWhileTheBrokerIsNotReady) {
  broker_.attach_refusals = {Code::kNotReady, Code::kNotReady};
  EXPECT_THAT(open(), IsOk());
}

TEST_F(ConsumerTest, ReturnsNothingWhenNothingComes) {
  ASSERT_THAT(open(), IsOk());
  const base::Result<std::optional<DeliveredBatch>> batch = consumer_->poll(Millis(100));
  ASSERT_THAT(batch, IsOk());
  EXPECT_FALSE(batch->has_value());
}

TEST_F(ConsumerTest, HandsOverWhatWasDelivered) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  broker_.deliver({"c"});
  const DeliveredBatch first = fetch();
  EXPECT_EQ(first.size(), 2U);
  EXPECT_EQ(base::as_text(first.begin()->message.body), "a");
  const DeliveredBatch second = fetch();
  EXPECT_EQ(second.begin()->sequence, base::Sequence(3));
  EXPECT_EQ(consumer_->held_messages(), 3U);
  EXPECT_EQ(consumer_->stats().messages_delivered, 3U);
}

TEST_F(ConsumerTest, PutsALargeMessageTogetherAndAsksForMore) {
  ASSERT_THAT(open(), IsOk());
  std::string large;
  for (int i = 0; large.size() < 5'000'000; ++i) large += std::to_string(i);
  broker_.deliver_large(large);
  const DeliveredBatch batch = fetch();
  ASSERT_EQ(batch.size(), 1U);
  const Delivery delivery = *batch.begin();
  EXPECT_EQ(base::as_text(delivery.message.body), large);
  EXPECT_EQ(delivery.attempts, 2);
  EXPECT_EQ(delivery.accepted_at, base::WallTime(1'000));
  EXPECT_EQ(batch.bytes(), large.size() + base::kEntryHeaderBytes);
  ASSERT_GE(broker_.chunk_credits.size(), 2U);
  std::uint64_t limit = wire::kChunkWindowBytes;
  for (const wire::ChunkCredit& credit : broker_.chunk_credits) {
    EXPECT_GT(credit.limit, limit);
    EXPECT_EQ(credit.sequence, 1U);
    limit = credit.limit;
  }
  EXPECT_EQ(consumer_->held_messages(), 1U);
  consumer_->ack(batch);
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.settlements.at(0).receipts.at(0).first, 1U);
  EXPECT_EQ(consumer_->held_messages(), 0U);
}

TEST_F(ConsumerTest, DropsALargeMessageThatTheBrokerGivesUp) {
  ASSERT_THAT(open(), IsOk());
  const std::vector<std::byte> piece(1'000);
  wire::DeliverChunk chunk{1, 30'000, 5, 9, 0, 0, 1, 300'000, 0, piece};
  chunk.attachment = broker_.credits.back().attachment;
  broker_.say(chunk, 0);
  chunk.offset = 1'000;
  chunk.piece = {};
  broker_.say(chunk, 0);
  broker_.deliver({"a"});
  EXPECT_EQ(base::as_text(fetch().begin()->message.body), "a");
  EXPECT_EQ(consumer_->held_messages(), 1U);
}

TEST_F(ConsumerTest, ALostConnectionThatCutALargeMessageOffLeavesItUnseen) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  const DeliveredBatch seen = fetch();
  const std::vector<std::byte> piece(1'000);
  wire::DeliverChunk chunk{1, 30'000, seen.epoch().value() + 1, 9, 0, 0, 1, 300'000, 0, piece};
  chunk.attachment = broker_.credits.back().attachment;
  broker_.say(chunk, 0);
  ASSERT_THAT(connection_->poll(Millis(10)), IsOk());
  reconnect();
  // So the broker gives it back, and nothing of it is taken for the next one.
  EXPECT_EQ(broker_.last_epochs.back(), seen.epoch().value());
  const std::string large(300'000, 'x');
  broker_.deliver_large(large);
  EXPECT_EQ(base::as_text(fetch().begin()->message.body), large);
}

TEST_F(ConsumerTest, AcknowledgesABatchWithOneFrame) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b", "c"});
  const DeliveredBatch batch = fetch();
  for (const Delivery& delivery : batch) consumer_->ack(delivery.receipt());
  EXPECT_TRUE(broker_.settlements.empty());
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  ASSERT_EQ(broker_.settlements.size(), 1U);
  ASSERT_EQ(broker_.settlements[0].receipts.size(), 1U);
  EXPECT_EQ(broker_.settlements[0].receipts[0].first, 1U);
  EXPECT_EQ(broker_.settlements[0].receipts[0].last, 3U);
  EXPECT_EQ(broker_.settlements[0].receipts[0].epoch, batch.epoch().value());
  EXPECT_EQ(consumer_->stats().messages_settled, 3U);
  EXPECT_EQ(consumer_->held_messages(), 0U);
}

TEST_F(ConsumerTest, SettlesLeaveWithTheNextPoll) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  consumer_->ack(fetch());
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  EXPECT_EQ(broker_.settlements.size(), 1U);
}

TEST_F(ConsumerTest, SettlesInEveryWay) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b", "c", "d"});
  const DeliveredBatch batch = fetch();
  auto at = batch.begin();
  consumer_->release(at->receipt());
  consumer_->fail((++at)->receipt(), {.delay = Millis(1'500), .error = "away"});
  consumer_->fail((++at)->receipt(), {});
  consumer_->reject((++at)->receipt(), "bad");
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  ASSERT_EQ(broker_.settlements.size(), 4U);
  EXPECT_EQ(broker_.settlements[0].kind, 2);
  EXPECT_EQ(broker_.settlements[1].kind, 3);
  EXPECT_EQ(broker_.settlements[1].delay_ms, 1'500U);
  EXPECT_EQ(broker_.settlements[1].error, "away");
  EXPECT_EQ(broker_.settlements[2].delay_ms, std::nullopt);
  EXPECT_EQ(broker_.settlements[3].kind, 4);
  EXPECT_EQ(broker_.settlements[3].error, "bad");
}

TEST_F(ConsumerTest, RaisesTheCreditWhenHalfIsSettled) {
  ConsumerOptions options;
  options.messages_max = 4;
  ASSERT_THAT(open(options), IsOk());
  broker_.deliver({"a", "b", "c", "d"});
  const DeliveredBatch batch = fetch();
  consumer_->ack(batch.begin()->receipt());
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  EXPECT_EQ(broker_.credits.size(), 1U);
  consumer_->ack(Receipt{batch.shard(), batch.epoch(), {base::Sequence(2), base::Sequence(2)}});
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  ASSERT_EQ(broker_.credits.size(), 2U);
  EXPECT_EQ(broker_.credits[1].messages_limit, 6U);
}

TEST_F(ConsumerTest, RaisesTheCreditByLessWhereTheRestIsKept) {
  ConsumerOptions options;
  options.messages_max = 4;
  ASSERT_THAT(open(options), IsOk());
  broker_.deliver({"a", "b", "c", "d"});
  consumer_->ack(fetch().begin()->receipt());
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  EXPECT_EQ(broker_.credits.size(), 1U);
  ASSERT_THAT(consumer_->poll(kCreditPause), IsOk());
  ASSERT_EQ(broker_.credits.size(), 2U);
  EXPECT_EQ(broker_.credits[1].messages_limit, 5U);
}

TEST_F(ConsumerTest, SettlesByWordWhereTheBrokerTakesThem) {
  for (const bool takes_words : {true, false}) {
    consumer_.reset();
    broker_.features = takes_words ? wire::kFeatureReceiptWords : std::uint64_t{0};
    ASSERT_THAT(open(), IsOk());
    broker_.deliver({"a", "b", "c"});
    const DeliveredBatch batch = fetch();
    const base::Sequence first = batch.begin()->sequence;
    consumer_->ack(std::vector{ReceiptWord{batch.shard(), batch.epoch(), first, 0b101}});
    ASSERT_THAT(consumer_->flush_settles(Millis(5'000)), IsOk());
    EXPECT_EQ(broker_.settlements.back().receipts.size(), takes_words ? 1U : 2U);
    EXPECT_EQ(consumer_->stats().messages_settled, 2U);
  }
}

TEST_F(ConsumerTest, TellsWhenSettlesAreNotConfirmedInTime) {
  ASSERT_THAT(open(), IsOk());
  broker_.answers_settles = false;
  broker_.deliver({"a"});
  consumer_->ack(fetch());
  EXPECT_THAT(consumer_->flush_settles(Millis(100)), HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_EQ(consumer_->unconfirmed_messages(), 1U);
}

TEST_F(ConsumerTest, NeedsNoConfirmationWhenNoneIsWanted) {
  ConsumerOptions options;
  options.confirm_settles = false;
  ASSERT_THAT(open(options), IsOk());
  broker_.deliver({"a"});
  consumer_->ack(fetch());
  ASSERT_THAT(consumer_->flush_settles(Millis(0)), IsOk());
  EXPECT_EQ(broker_.settlements.size(), 1U);
}

TEST_F(ConsumerTest, SendsAnUnconfirmedSettleAgainAfterALostConnection) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  consumer_->ack(fetch());
  broker_.cut_on_settle = true;
  ASSERT_THAT(consumer_->flush_settles(Millis(5'000)), IsOk());
  EXPECT_EQ(connection_->reconnects(), 1U);
  ASSERT_EQ(broker_.settlements.size(), 2U);
  EXPECT_EQ(broker_.settlements[0].receipts[0].epoch, broker_.settlements[1].receipts[0].epoch);
}

TEST_F(ConsumerTest, WhatIsInHandStaysValidWhenTheSessionIsResumed) {
  ConsumerOptions options;
  options.messages_max = 10;
  ASSERT_THAT(open(options), IsOk());
  broker_.deliver({"a", "b"});
  const DeliveredBatch batch = fetch();
  reconnect();
  consumer_->ack(batch);
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  EXPECT_EQ(consumer_->stats().messages_settled, 2U);
  EXPECT_EQ(broker_.credits.back().messages_limit, 8U);  // two were still in hand
}

TEST_F(ConsumerTest, SaysWhichDeliveriesArrivedWhenItAttachesAgain) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  broker_.deliver({"b"});
  fetch();
  const std::uint64_t last = fetch().epoch().value();
  broker_.deliver({"lost"});
  reconnect();
  EXPECT_EQ(broker_.last_epochs, std::vector<std::uint64_t>({0, last}));
  broker_.forget_sessions();
  reconnect();
  EXPECT_EQ(broker_.last_epochs.back(), 0U);
}

TEST_F(ConsumerTest, SaysOfAllConsumersOfTheSessionWhichDeliveriesArrived) {
  ASSERT_THAT(open(), IsOk());
  ConsumerOptions options;
  options.queue = "orders";
  options.subscription = "default";
  base::Result<std::unique_ptr<Consumer>> other = Consumer::open(*connection_, options);
  ASSERT_THAT(other, IsOk());
  broker_.deliver({"a"});
  const std::uint64_t last = fetch().epoch().value();
  reconnect();
  EXPECT_EQ(broker_.last_epochs, std::vector<std::uint64_t>({0, 0, last, last}));
}

TEST_F(ConsumerTest, WhatIsInHandIsStaleWhenTheSessionIsLost) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  broker_.deliver({"c"});
  consumer_->ack(fetch());
  broker_.forget_sessions();
  reconnect();
  EXPECT_EQ(consumer_->stats().messages_stale, 2U);
  EXPECT_EQ(consumer_->held_messages(), 0U);
  const base::Result<std::optional<DeliveredBatch>> next = consumer_->poll(Millis(0));
  ASSERT_THAT(next, IsOk());
  EXPECT_FALSE(next->has_value());
}

TEST_F(ConsumerTest, ExtendsLeases) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  const DeliveredBatch batch = fetch();
  ASSERT_THAT(consumer_->extend(batch, Millis(60'000)), IsOk());
  ASSERT_THAT(consumer_->extend_all(), IsOk());
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  ASSERT_EQ(broker_.extends.size(), 2U);
  EXPECT_EQ(broker_.extends[0].duration_ms, 60'000U);
  EXPECT_EQ(broker_.extends[0].receipts.size(), 1U);
  EXPECT_TRUE(broker_.extends[1].all);
  EXPECT_EQ(consumer_->stats().messages_stale, 2U);  // the fake says 1 of each
}

TEST_F(ConsumerTest, EndsWhenTheQueueIsDeleted) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  broker_.close_attachments(Code::kUnknownQueue);
  EXPECT_THAT(consumer_->poll(Millis(100)), HasCode(ErrorCode::kNotFound));
}

TEST_F(ConsumerTest, DetachesWhenItIsDestroyed) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  consumer_->ack(fetch());
  consumer_.reset();
  EXPECT_EQ(broker_.settlements.size(), 1U);
  EXPECT_EQ(broker_.detaches, 1);
}

// --- Settles that somebody waits for.

TEST_F(ConsumerTest, TellsWhenASettleIsCommitted) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  const DeliveredBatch batch = fetch();
  std::vector<base::Status> told;
  const auto done = [&told](const base::Status& status) { told.push_back(status); };
  for (const Delivery& delivery : batch) {
    consumer_->settle(SettleKind::kAck, delivery.receipt(), {.done = done});
  }
  EXPECT_TRUE(told.empty());
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.settlements.size(), 1U);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_THAT(told[0], IsOk());
}

TEST_F(ConsumerTest, TellsThatASettleCameTooLate) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  const DeliveredBatch batch = fetch();
  std::vector<base::Status> told;
  const auto done = [&told](const base::Status& status) { told.push_back(status); };
  broker_.stale_settles = 2;
  for (const Delivery& delivery : batch) {
    consumer_->settle(SettleKind::kAck, delivery.receipt(), {.done = done});
  }
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  ASSERT_EQ(told.size(), 2U);
  EXPECT_THAT(told[1], HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(ConsumerTest, DoesNotGuessWhatBecameOfASettleThatWasSentTwice) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  std::optional<base::Status> told;
  broker_.cut_on_settle = true;
  broker_.stale_settles = 1;  // the second time
  const DeliveredBatch batch = fetch();
  consumer_->settle(SettleKind::kFail, batch.begin()->receipt(),
                    {.done = [&told](const base::Status& status) { told = status; }});
  ASSERT_THAT(consumer_->flush_settles(Millis(10'000)), IsOk());
  ASSERT_TRUE(told.has_value());
  EXPECT_THAT(*told, HasCode(ErrorCode::kUnavailable));
}

TEST_F(ConsumerTest, TellsThatTheLeaseWasLostWithTheSession) {
  std::optional<base::Status> told;
  int lost = 0;
  ConsumerOptions options;
  options.on_leases_lost = [&lost](base::ShardIndex /*shard*/) { ++lost; };
  ASSERT_THAT(open(options), IsOk());
  broker_.deliver({"a"});
  const DeliveredBatch batch = fetch();
  transport_->refuse_connections = true;
  transport_->cut();
  ASSERT_THAT(connection_->poll(Millis(1)), IsOk());
  consumer_->settle(SettleKind::kFail, batch.begin()->receipt(),
                    {.done = [&told](const base::Status& status) { told = status; }});
  EXPECT_FALSE(told.has_value());
  broker_.forget_sessions();
  transport_->refuse_connections = false;
  ASSERT_THAT(connection_->poll_until([&] { return told.has_value(); }, Millis(10'000)), IsOk());
  EXPECT_THAT(*told, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(lost, 1);
}

TEST_F(ConsumerTest, TellsWhenALeaseIsExtended) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  const DeliveredBatch batch = fetch();
  std::vector<base::Status> told;
  const auto done = [&told](const base::Status& status) { told.push_back(status); };
  broker_.stale_extends = 0;
  ASSERT_THAT(consumer_->extend(batch.begin()->receipt(), Millis(5), done), IsOk());
  ASSERT_THAT(connection_->poll_until([&] { return told.size() == 1; }, Millis(1'000)), IsOk());
  EXPECT_THAT(told[0], IsOk());
  broker_.stale_extends = 1;
  ASSERT_THAT(consumer_->extend(batch.begin()->receipt(), Millis(5), done), IsOk());
  ASSERT_THAT(connection_->poll_until([&] { return told.size() == 2; }, Millis(1'000)), IsOk());
  EXPECT_THAT(told[1], HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(ConsumerTest, LeavesNobodyWithoutAnAnswer) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a", "b"});
  const DeliveredBatch batch = fetch();
  std::vector<base::Status> told;
  const auto done = [&told](const base::Status& status) { told.push_back(status); };
  broker_.answers_settles = false;
  consumer_->settle(SettleKind::kAck, batch.begin()->receipt(), {.done = done});
  ASSERT_THAT(consumer_->poll(Millis(0)), IsOk());
  consumer_->settle(SettleKind::kReject, batch.begin()->receipt(), {.done = done});
  consumer_.reset();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_THAT(told[0], HasCode(ErrorCode::kUnavailable));
}

TEST_F(ConsumerTest, AnEndedAttachmentAnswersEverySettle) {
  ASSERT_THAT(open(), IsOk());
  broker_.deliver({"a"});
  const DeliveredBatch batch = fetch();
  broker_.close_attachments(Code::kUnknownQueue);
  EXPECT_THAT(consumer_->poll(Millis(100)), HasCode(ErrorCode::kNotFound));
  std::optional<base::Status> told;
  consumer_->settle(SettleKind::kAck, batch.begin()->receipt(),
                    {.done = [&told](const base::Status& status) { told = status; }});
  ASSERT_TRUE(told.has_value());
  EXPECT_THAT(*told, HasCode(ErrorCode::kNotFound));
}

// --- Shard maps that change.

TEST_F(ConsumerTest, AttachesToTheShardsOfTheNewMap) {
  ASSERT_THAT(open(), IsOk());
  broker_.shards = 3;
  broker_.map_version = 2;
  broker_.close_attachments(Code::kStaleShardMap);
  ASSERT_THAT(connection_->poll_until([&] { return broker_.attachments() == 3; }, Millis(5'000)),
              IsOk());
  for (std::uint16_t shard = 0; shard < 3; ++shard) broker_.deliver({"a"}, shard);
  for (int i = 0; i < 3; ++i) consumer_->ack(fetch());
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
  EXPECT_EQ(consumer_->stats().messages_settled, 3U);
}

TEST_F(ConsumerTest, AQueueThatIsGoneWithItsMapIsAskedForOnce) {
  ASSERT_THAT(open(), IsOk());
  broker_.queue_is_gone = true;
  broker_.resolves = 0;
  broker_.close_attachments(Code::kStaleShardMap);
  EXPECT_THAT(consumer_->poll(Millis(100)), HasCode(ErrorCode::kNotFound));
  for (int i = 0; i < 100; ++i) static_cast<void>(connection_->poll(Millis(10)));
  EXPECT_EQ(broker_.resolves, 1);
}

TEST_F(ConsumerTest, FindsTheNewMapWhenItComesBack) {
  broker_.shards = 3;
  ASSERT_THAT(open(), IsOk());
  broker_.shards = 1;
  broker_.map_version = 2;
  reconnect();
  ASSERT_THAT(connection_->poll_until([&] { return broker_.attachments() == 1; }, Millis(5'000)),
              IsOk());
  broker_.deliver({"a"}, 0);
  consumer_->ack(fetch());
  ASSERT_THAT(consumer_->flush_settles(Millis(1'000)), IsOk());
}

}  // namespace
}  // namespace sluice::client
