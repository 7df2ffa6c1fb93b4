#include "client/publisher.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/publisher_fixture.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

using base::ErrorCode;
using base::Millis;
using test::HasCode;
using test::IsOk;
using wire::Code;
using Act = FakeBroker::PublishAct;
using Bodies = std::vector<std::string>;

class PublisherTest : public PublisherFixture {
 protected:
  base::Status append(const std::string& body) { return publisher_->append(base::as_bytes(body)); }
  // One batch each.
  void append_batches(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(append("m" + std::to_string(++appended_)), IsOk());
      ASSERT_THAT(publisher_->send(), IsOk());
    }
  }
  static Bodies numbered(int first, int last) {
    Bodies bodies;
    for (int i = first; i <= last; ++i) bodies.push_back("m" + std::to_string(i));
    return bodies;
  }

  int appended_ = 0;
};

TEST_F(PublisherTest, RefusesAQueueThatDoesNotExist) {
  PublisherOptions options;
  options.queue = "ordres";
  EXPECT_THAT(open(options), HasCode(ErrorCode::kNotFound));
}

TEST_F(PublisherTest, CollectsMessagesIntoOneBatch) {
  ASSERT_THAT(open(), IsOk());
  for (int i = 1; i <= 100; ++i) ASSERT_THAT(append("m" + std::to_string(i)), IsOk());
  EXPECT_EQ(publisher_->outstanding_messages(), 100U);
  EXPECT_EQ(broker_.publishes, 0);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.publishes, 1);
  EXPECT_EQ(broker_.stored[0], numbered(1, 100));
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].count, 100U);
  EXPECT_EQ(outcomes_[0].producer_sequence, 1U);
  EXPECT_EQ(outcomes_[0].first, base::Sequence(1));
  EXPECT_EQ(publisher_->outstanding_messages(), 0U);
  EXPECT_EQ(publisher_->stats().messages_stored, 100U);
  EXPECT_EQ(publisher_->last_sequence(base::ShardIndex(0)), 100U);
}

TEST_F(PublisherTest, SendsABatchThatIsFull) {
  PublisherOptions options;
  options.batch_bytes = 1'000;
  ASSERT_THAT(open(options), IsOk());
  const std::string body(92, 'x');  // ten fill a batch exactly
  for (int i = 0; i < 31; ++i) ASSERT_THAT(append(body), IsOk());
  EXPECT_EQ(broker_.publishes, 3);
  EXPECT_EQ(publisher_->outstanding_messages() + broker_.stored[0].size(), 31U);
}

TEST_F(PublisherTest, AMessageAboveTheBatchSizeGoesAlone) {
  PublisherOptions options;
  options.batch_bytes = 1'000;
  ASSERT_THAT(open(options), IsOk());
  const std::string large(200'000, 'x');
  ASSERT_THAT(append("small"), IsOk());
  ASSERT_THAT(append(large), IsOk());
  ASSERT_THAT(append("small"), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({"small", large, "small"}));
  EXPECT_EQ(broker_.publishes, 3);
}

TEST_F(PublisherTest, RefusesWhatTheQueueWouldNotTake) {
  broker_.message_bytes_max = 10;
  ASSERT_THAT(open(), IsOk());
  EXPECT_THAT(append("0123456789"), IsOk());
  EXPECT_THAT(append("0123456789a"), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(publisher_->publish(keyed("k", "0123456789a")), HasCode(ErrorCode::kInvalidArgument));
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({"0123456789"}));
}

TEST_F(PublisherTest, RefusesBodiesThatNeedPiecesWhereTheBrokerKnowsNone) {
  broker_.features = 0;
  ASSERT_THAT(open(), IsOk());
  EXPECT_THAT(append(std::string(base::kBatchEntriesBytesMax, 'x')),
              HasCode(ErrorCode::kInvalidArgument));
}

TEST_F(PublisherTest, ALargeMessageTravelsInPiecesAndInOrder) {
  broker_.message_bytes_max = 16U << 20;
  ASSERT_THAT(open(), IsOk());
  const std::string large(1'000'000, 'x');
  const std::string keyed_large(300'000, 'y');
  ASSERT_THAT(append("before"), IsOk());
  ASSERT_THAT(append(large), IsOk());
  ASSERT_THAT(publisher_->publish(keyed("k", keyed_large)), IsOk());
  ASSERT_THAT(append("behind"), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({"before", large, keyed_large, "behind"}));
  EXPECT_EQ(broker_.chunks, 4 + 2);
  ASSERT_EQ(outcomes_.size(), 4U);
  EXPECT_EQ(outcomes_[1].count, 1U);
  EXPECT_EQ(outcomes_[1].bytes, 1'000'008U);
  EXPECT_EQ(publisher_->outstanding_messages(), 0U);
}

TEST_F(PublisherTest, ALargeMessageIsSentAgainWhole) {
  broker_.message_bytes_max = 16U << 20;
  ASSERT_THAT(open(), IsOk());
  broker_.cut_at_chunk = 3;
  const std::string large(1'000'000, 'x');
  ASSERT_THAT(append(large), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(10'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({large}));
  broker_.publish_script = {{Act::kStoreAndCut}};
  ASSERT_THAT(append(large), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(10'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({large, large}));
  EXPECT_TRUE(outcomes_.back().duplicate);
}

TEST_F(PublisherTest, ALargeMessageAboveTheWindowWaitsUntilItIsAlone) {
  broker_.message_bytes_max = 16U << 20;
  broker_.window_bytes = 400'000;
  ASSERT_THAT(open(), IsOk());
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(append("small"), IsOk());
    ASSERT_THAT(append(large), IsOk());
  }
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({"small", large, "small", large, "small", large}));
}

TEST_F(PublisherTest, ALingeringBatchLeavesWithPoll) {
  PublisherOptions options;
  options.linger = Millis(20);
  ASSERT_THAT(open(options), IsOk());
  ASSERT_THAT(append("m1"), IsOk());
  ASSERT_THAT(publisher_->poll(Millis(10)), IsOk());
  EXPECT_EQ(broker_.publishes, 0);
  ASSERT_THAT(publisher_->poll(Millis(10)), IsOk());
  EXPECT_EQ(broker_.publishes, 1);
  // The fast path goes on in a new batch.
  ASSERT_THAT(append("m2"), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 2));
}

TEST_F(PublisherTest, BothWaysOfAddingKeepTheirOrder) {
  ASSERT_THAT(open(), IsOk());
  base::Message message;
  for (int i = 1; i <= 20; ++i) {
    message.body = "m" + std::to_string(i);
    ASSERT_THAT(i % 3 == 0 ? publisher_->publish(message) : append(message.body), IsOk());
  }
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 20));
}

TEST_F(PublisherTest, KeysDecideTheShardAndOthersGoRoundRobin) {
  broker_.shards = 4;
  ASSERT_THAT(open(), IsOk());
  EXPECT_EQ(publisher_->shards(), 4U);
  // Slot 468 and slot 161 of docs/protocol.md, of 256 slots a shard.
  ASSERT_THAT(publisher_->publish(keyed("order-1", "a")), IsOk());
  ASSERT_THAT(publisher_->publish(keyed("customer/4711", "b")), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[1], Bodies({"a"}));
  EXPECT_EQ(broker_.stored[0], Bodies({"b"}));
  broker_.stored.clear();
  append_batches(8);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  for (std::uint16_t shard = 0; shard < 4; ++shard) EXPECT_EQ(broker_.stored[shard].size(), 2U);
}

TEST_F(PublisherTest, ManyThatSendOneMessageEachShareTheShards) {
  broker_.shards = 4;
  for (int i = 0; i < 64; ++i) {
    ASSERT_THAT(open(), IsOk());
    ASSERT_THAT(publisher_->append(base::as_bytes("one")), IsOk());
    ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
    publisher_.reset();
  }
  for (std::uint16_t shard = 0; shard < 4; ++shard) EXPECT_GE(broker_.stored[shard].size(), 1U);
}

TEST_F(PublisherTest, AProducerBeginsAtTheShardThatItsIdSays) {
  broker_.shards = 4;
  for (std::uint8_t i = 1; i < 5; ++i) {
    PublisherOptions options;
    options.producer = base::ProducerId(base::Id128{{i}});
    ASSERT_THAT(open(std::move(options)), IsOk());
    EXPECT_EQ(publisher_->first_shard(), i % 4);
    broker_.stored.clear();
    ASSERT_THAT(publisher_->append(base::as_bytes("one")), IsOk());
    ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
    EXPECT_EQ(broker_.stored[i % 4].size(), 1U);
    publisher_.reset();
  }
}

TEST_F(PublisherTest, PublishSyncSaysWhereTheMessageStands) {
  ASSERT_THAT(open(), IsOk());
  ASSERT_THAT(append("m1"), IsOk());
  base::Message message;
  message.body = "m2";
  const base::Result<Publisher::Stored> stored = publisher_->publish_sync(message, Millis(1'000));
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(stored->sequence, base::Sequence(2));
  broker_.publish_script = {{Act::kRefuse, Code::kQueueFull}};
  EXPECT_THAT(publisher_->publish_sync(message, Millis(1'000)),
              HasCode(ErrorCode::kResourceExhausted));
}

TEST_F(PublisherTest, StopsAtTheEndOfItsCreditAndGoesOnWithMore) {
  broker_.window_messages = 3;
  broker_.silent = false;
  ASSERT_THAT(open(), IsOk());
  append_batches(5);
  EXPECT_EQ(broker_.publishes, 3);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 5));
}

TEST_F(PublisherTest, WaitsForCreditThatComesUnasked) {
  broker_.window_messages = 0;
  ASSERT_THAT(open(), IsOk());
  append_batches(2);
  EXPECT_THAT(publisher_->flush(Millis(1'000)), HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_EQ(broker_.publishes, 0);
  broker_.give_credit(2, 1'000);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 2));
}

TEST_F(PublisherTest, BlocksForRoomAndTellsWhenThereIsNone) {
  broker_.window_messages = 0;
  PublisherOptions options;
  options.batch_bytes = 1'000;
  options.in_flight_bytes_max = 2'000;
  options.send_timeout = Millis(200);
  ASSERT_THAT(open(options), IsOk());
  const std::string body(492, 'x');  // two a batch
  int taken = 0;
  base::Status status;
  while ((status = append(body)).has_value()) ++taken;
  EXPECT_THAT(status, HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_EQ(taken, 6);  // two batches on their way, and an open one
  broker_.window_messages = 100;
  broker_.give_credit(100, 100'000);
  ASSERT_THAT(append(body), IsOk());
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0].size(), 7U);
}

TEST_F(PublisherTest, ARefusedBatchIsToldAndTheOthersAreStored) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{}, {Act::kRefuse, Code::kQueueFull}};
  append_batches(4);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], Bodies({"m1", "m3", "m4"}));
  ASSERT_EQ(outcomes_.size(), 4U);
  EXPECT_EQ(outcomes_[1].code, Code::kQueueFull);
  EXPECT_EQ(outcomes_[1].message, "refused by the script");
  EXPECT_EQ(publisher_->stats().messages_refused, 1U);
}

TEST_F(PublisherTest, AFencedPublisherEnds) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{Act::kRefuse, Code::kProducerFenced}};
  append_batches(1);
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(outcomes_.at(0).code, Code::kProducerFenced);
  EXPECT_THAT(append("m2"), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(publisher_->poll(Millis(0)), HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(PublisherTest, ALostConnectionStoresNothingTwice) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{}, {}, {Act::kStoreAndCut}};
  append_batches(5);
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 5));
  EXPECT_EQ(outcomes_.size(), 5U);
  EXPECT_EQ(connection_->reconnects(), 1U);
}

TEST_F(PublisherTest, ALostBatchIsSentAgain) {
  ASSERT_THAT(open(), IsOk());
  broker_.publish_script = {{}, {Act::kCut}};
  append_batches(5);
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 5));
  EXPECT_GT(publisher_->stats().batches_resent, 0U);
}

TEST_F(PublisherTest, ResendsAlsoWhenTheSessionIsForgotten) {
  ASSERT_THAT(open(), IsOk());
  append_batches(2);
  broker_.forget_sessions();
  append_batches(2);
  ASSERT_THAT(publisher_->flush(Millis(5'000)), IsOk());
  EXPECT_EQ(broker_.stored[0], numbered(1, 4));
}

TEST_F(PublisherTest, SurvivesWhateverBreaks) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    base::Prng prng(seed);
    publisher_.reset();
    connection_.reset();
    broker_ = FakeBroker();
    outcomes_.clear();
    PublisherOptions options;
    options.batch_bytes = 100;
    ASSERT_THAT(open(options), IsOk());
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t act = prng.below(12);
      const Act what = act == 0   ? Act::kCut
                       : act == 1 ? Act::kStoreAndCut
                       : act == 2 ? Act::kRefuse
                                  : Act::kStore;
      broker_.publish_script.push_back({what, Code::kQueueFull});
    }
    for (int i = 1; i <= 1'000; ++i) ASSERT_THAT(append("m" + std::to_string(i)), IsOk());
    ASSERT_THAT(publisher_->flush(Millis(600'000)), IsOk());
    std::uint64_t stored = 0;
    std::uint64_t told = 0;
    for (const BatchOutcome& outcome : outcomes_) {
      told += outcome.count;
      if (outcome.stored()) stored += outcome.count;
    }
    EXPECT_EQ(told, 1'000U);
    ASSERT_EQ(broker_.stored[0].size(), stored);
    int last = 0;
    for (const std::string& body : broker_.stored[0]) {
      const int number = std::stoi(body.substr(1));
      ASSERT_GT(number, last);  // in order, none twice
      last = number;
    }
  }
}

TEST_F(PublisherTest, PublishesFramesThatWereMadeElsewhere) {
  broker_.shards = 2;
  ASSERT_THAT(open(), IsOk());
  std::vector<std::byte> entries;
  for (const char* body : {"a", "b"}) base::append_entry(base::as_bytes(body), entries);
  auto frame = std::make_shared<OutboundBuffer>(wire::kPublishPrefixBytes + entries.size());
  frame->resize(frame->capacity());
  std::memcpy(frame->data() + wire::kPublishPrefixBytes, entries.data(), entries.size());
  publisher_->publish_frame({base::ShardIndex(1), 1, frame, 2, 77});
  ASSERT_THAT(publisher_->flush(Millis(1'000)), IsOk());
  EXPECT_EQ(broker_.stored[1], Bodies({"a", "b"}));
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].tag, 77U);
  EXPECT_EQ(outcomes_[0].bytes, entries.size());
}

}  // namespace
}  // namespace sluice::client
