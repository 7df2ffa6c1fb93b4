#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "base/prng.h"
#include "client/publisher.h"
#include "client/route_batch.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/publisher_fixture.h"

// Shard maps that change, and producers that the broker forgets, under a Publisher.
namespace sluice::client {
namespace {

using base::ErrorCode;
using base::Millis;
using test::HasCode;
using test::IsOk;
using wire::Code;
using Act = FakeBroker::PublishAct;

PendingBatch frame_batch(const std::vector<base::Message>& messages) {
  std::vector<std::byte> entries;
  for (const base::Message& message : messages) {
    CHECK(base::append_entry(message, entries).has_value());
  }
  PendingBatch batch;
  batch.frame = frame_of(entries);
  batch.count = static_cast<std::uint32_t>(messages.size());
  batch.tag = 7;
  return batch;
}

wire::SlotTable even_slots(std::uint16_t shards, std::uint32_t version) {
  return *wire::SlotTable::from(wire::even_shard_map(shards, version));
}

TEST(RouteBatch, LeavesABatchWholeThatBelongsToOneShard) {
  PendingBatch batch = frame_batch({keyed("order-1"), keyed("order-1"), keyed("")});
  const OutboundBuffer* const frame = batch.frame.get();
  const auto parts = route_batch(std::move(batch), even_slots(4, 2), base::ShardIndex(1));
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].shard, base::ShardIndex(1));
  EXPECT_EQ(parts[0].batch.frame.get(), frame);
  EXPECT_EQ(parts[0].batch.count, 3U);
}

TEST(RouteBatch, CutsABatchByTheShardsOfItsMessages) {
  base::Message grouped = keyed("customer/4711");
  grouped.group = "order-1";  // goes before the key
  // Slots 468 and 161 of docs/protocol.md.
  const auto parts =
      route_batch(frame_batch({keyed("order-1"), keyed("customer/4711"), grouped, keyed("")}),
                  even_slots(4, 2), base::ShardIndex(5));
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].shard, base::ShardIndex(0));
  EXPECT_EQ(parts[0].batch.places, std::vector<std::uint32_t>({1}));
  EXPECT_EQ(parts[1].shard, base::ShardIndex(1));
  EXPECT_EQ(parts[1].batch.places, std::vector<std::uint32_t>({0, 2, 3}));
  EXPECT_EQ(parts[1].batch.count, 3U);
  EXPECT_EQ(parts[1].batch.tag, 7U);
}

class PublisherRemapTest : public PublisherFixture {
 protected:
  void change_map(std::uint16_t shards) {
    broker_.shards = shards;
    ++broker_.map_version;
  }
  void reconnect() {
    const std::uint64_t before = connection_->reconnects();
    transport_->cut();
    ASSERT_THAT(
        connection_->poll_until([&] { return connection_->reconnects() > before; }, Millis(5'000)),
        IsOk());
  }
  std::uint64_t count_outcomes(Code code) const {
    std::uint64_t count = 0;
    for (const BatchOutcome& outcome : outcomes_) count += outcome.code == code ? outcome.count : 0;
    return count;
  }
};

TEST_F(PublisherRemapTest, ARefusedBatchIsRoutedByTheNewMap) {
  ASSERT_THAT(open(), IsOk());
  change_map(4);
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  ASSERT_THAT(publisher_->publish(keyed("customer/4711", "b")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[1], std::vector<std::string>({"a"}));
  EXPECT_EQ(broker_.stored[0], std::vector<std::string>({"b"}));
  EXPECT_EQ(publisher_->shards(), 4U);
  // By the new map at once.
  ASSERT_THAT(publisher_->publish(keyed("order-1", "c")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[1].size(), 2U);
  EXPECT_EQ(count_outcomes(Code::kNone), 3U);
}

TEST_F(PublisherRemapTest, AQueueThatIsGoneWithItsMapIsAskedForOnce) {
  ASSERT_THAT(open(), IsOk());
  change_map(4);
  broker_.queue_is_gone = true;
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  broker_.resolves = 0;
  static_cast<void>(publisher_->flush(Millis(5'000)));
  EXPECT_EQ(count_outcomes(Code::kStaleShardMap), 1U);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(publisher_->poll(Millis(10)).has_value());
  EXPECT_EQ(broker_.resolves, 1);
}

// Its next time to ask comes while there is nobody to be asked: that is no time to wake up for.
TEST_F(PublisherRemapTest, SleepsWhileTheBrokerIsAway) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script.push_back({Act::kRefuse, Code::kStaleShardMap});
  ASSERT_THAT(publisher_->publish(keyed("order-1")), IsOk());
  EXPECT_THAT(publisher_->flush(Millis(1)), HasCode(ErrorCode::kDeadlineExceeded));
  transport_->cut();
  transport_->refuse_connections = true;
  EXPECT_THAT(publisher_->flush(Millis(10'000)), HasCode(ErrorCode::kDeadlineExceeded));
  transport_->refuse_connections = false;
  change_map(2);
  EXPECT_THAT(publisher_->flush(Millis(10'000)), IsOk());
}

TEST_F(PublisherRemapTest, AFrameThatWasMadeByTheOldMapIsPutRight) {
  ASSERT_THAT(open(), IsOk());
  change_map(4);
  const PendingBatch first = frame_batch({keyed("order-1", "a"), keyed("customer/4711", "b")});
  const PendingBatch second = frame_batch({keyed("order-1", "c"), keyed("customer/4711", "d")});
  publisher_->publish_frame({base::ShardIndex(0), 1, first.frame, 2, 1});
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  publisher_->publish_frame({base::ShardIndex(0), 1, second.frame, 2, 2});
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[1], std::vector<std::string>({"a", "c"}));
  EXPECT_EQ(broker_.stored[0], std::vector<std::string>({"b", "d"}));
  ASSERT_EQ(outcomes_.size(), 4U);
  EXPECT_EQ(outcomes_[0].places, std::vector<std::uint32_t>({1}));
  EXPECT_EQ(outcomes_[1].places, std::vector<std::uint32_t>({0}));
}

TEST_F(PublisherRemapTest, WhatMayBeStoredIsAskedForWhereItWasSent) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{Act::kStoreAndCut}};
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  ASSERT_THAT(publisher_->send(), IsOk());
  change_map(4);
  ASSERT_THAT(publisher_->publish(keyed("order-1", "b")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(10'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], std::vector<std::string>({"a"}));
  EXPECT_EQ(broker_.stored[1], std::vector<std::string>({"b"}));
  EXPECT_EQ(count_outcomes(Code::kNone), 2U);
}

TEST_F(PublisherRemapTest, ANamedProducerEndsBecauseItsNumbersCountByShard) {
  PublisherOptions options;
  options.end_on_refusal = true;
  ASSERT_THAT(open(options), IsOk());
  change_map(4);
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  ASSERT_THAT(publisher_->send(), IsOk());
  EXPECT_THAT(publisher_->poll(Millis(1'000)), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(count_outcomes(Code::kStaleShardMap), 1U);
  EXPECT_TRUE(broker_.stored_in_order.empty());
}

TEST_F(PublisherRemapTest, AForgottenProducerGoesOnUnderAnotherId) {
  broker_.shards = 2;
  ASSERT_THAT(open(), IsOk());
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  broker_.forgets_producers = true;
  for (const char* body : {"b", "c"}) {
    ASSERT_THAT(publisher_->publish(keyed("order-1", body)), IsOk());
    ASSERT_THAT(publisher_->send(), IsOk());
  }
  ASSERT_THAT(publisher_->publish(keyed("order-2", "d")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(count_outcomes(Code::kNone), 4U);
  EXPECT_EQ(broker_.stored_in_order.size(), 4U);
  // Also where it is found out by coming back.
  broker_.forgets_producers = true;
  reconnect();
  ASSERT_THAT(publisher_->publish(keyed("order-1", "e")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(count_outcomes(Code::kNone), 5U);
}

TEST_F(PublisherRemapTest, WhatAForgottenProducerHadUnansweredIsSaidToBeUnknown) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{Act::kStoreAndCut}};
  ASSERT_THAT(publisher_->publish(keyed("k", "a")), IsOk());
  ASSERT_THAT(publisher_->send(), IsOk());
  broker_.forgets_producers = true;
  ASSERT_THAT(publisher_->publish(keyed("k", "b")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(10'000)), IsOk());
  EXPECT_EQ(count_outcomes(Code::kUnknownProducer), 1U);
  EXPECT_EQ(count_outcomes(Code::kNone), 1U);
  EXPECT_EQ(broker_.stored_in_order, std::vector<std::string>({"a", "b"}));
}

TEST_F(PublisherRemapTest, ANamedProducerThatIsForgottenSaysSo) {
  PublisherOptions options;
  options.end_on_refusal = true;
  ASSERT_THAT(open(options), IsOk());
  broker_.forgets_producers = true;
  reconnect();
  EXPECT_THAT(publisher_->poll(Millis(1'000)), HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(PublisherRemapTest, ANamedProducerEndsWhereTheBrokerLostWhatItHadAcknowledged) {
  PublisherOptions options;
  options.end_on_refusal = true;
  ASSERT_THAT(open(options), IsOk());
  for (const char* body : {"a", "b"}) {
    ASSERT_THAT(publisher_->publish(keyed("k", body)), IsOk());
    ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  }
  broker_.lose_last_messages(1);
  ASSERT_THAT(publisher_->publish(keyed("k", "c")), IsOk());
  reconnect();
  const base::Status ended = publisher_->poll(Millis(1'000));
  ASSERT_THAT(ended, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(ended.error().message(), testing::HasSubstr("number 2"));
  EXPECT_EQ(count_outcomes(Code::kNone), 2U);
  EXPECT_EQ(count_outcomes(Code::kProducerGap), 1U);
}

TEST_F(PublisherRemapTest, NothingIsLostDoubledOrReorderedWithinAKeyWhateverBreaks) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    base::Prng prng(seed);
    publisher_.reset();
    connection_.reset();
    broker_ = FakeBroker();
    broker_.shards = static_cast<std::uint16_t>(1 + prng.below(4));
    outcomes_.clear();
    PublisherOptions options;
    options.batch_bytes = 200;
    ASSERT_THAT(open(options), IsOk());
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t act = prng.below(12);
      broker_.publish_script.push_back({act == 0   ? Act::kCut
                                        : act == 1 ? Act::kStoreAndCut
                                                   : Act::kStore,
                                        Code::kNone});
    }
    constexpr int kKeys = 7;
    std::map<std::string, int> sent;
    for (int i = 0; i < 600; ++i) {
      const std::string key = "key-" + std::to_string(prng.below(kKeys));
      ASSERT_THAT(publisher_->publish(keyed(key, key + "/" + std::to_string(++sent[key]))), IsOk());
      if (prng.below(60) == 0) change_map(static_cast<std::uint16_t>(1 + prng.below(6)));
    }
    ASSERT_THAT(publisher_->flush(Millis(600'000)), IsOk());
    EXPECT_EQ(count_outcomes(Code::kNone), 600U);
    EXPECT_EQ(broker_.stored_in_order.size(), 600U);
    std::map<std::string, int> seen;
    for (const std::string& body : broker_.stored_in_order) {
      const std::size_t slash = body.find('/');
      ASSERT_EQ(std::stoi(body.substr(slash + 1)), ++seen[body.substr(0, slash)]) << body;
    }
  }
}

}  // namespace
}  // namespace sluice::client
