#include "storage/fact_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ByteView;
using base::Sequence;
using base::SequenceRange;
using base::WallTime;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::stream_number;

template <typename Fact>
std::vector<std::byte> encoded(const Fact& fact) {
  std::vector<std::byte> out;
  encode(fact, out);
  return out;
}

SubscriptionKey some_key() { return {stream_number(7), base::SubscriptionId(3)}; }

template <typename IdType>
IdType some_id(std::uint8_t seed) {
  IdType id;
  for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(seed + i);
  return id;
}

std::vector<SequenceRange> some_ranges() {
  return {{Sequence(5), Sequence(9)},
          {Sequence(1), Sequence(1)},  // not in order: leases of several priorities
          {Sequence(1000), Sequence(2'000'000)},
          {Sequence(std::numeric_limits<std::uint64_t>::max()),
           Sequence(std::numeric_limits<std::uint64_t>::max())}};
}

// Every fact, encoded, with a decoder that encodes again what it has decoded.
struct Sample {
  RecordType type;
  std::vector<std::byte> bytes;
  std::function<base::Result<std::vector<std::byte>>(ByteView)> again;
};

template <typename Fact, typename Decode>
Sample sample(const Fact& fact, Decode decode) {
  return {record_type(fact), encoded(fact),
          [decode](ByteView bytes) -> base::Result<std::vector<std::byte>> {
            ASSIGN_OR_RETURN(const auto decoded, decode(bytes));
            return encoded(decoded);
          }};
}

std::vector<Sample> samples() {
  const auto retries = [] {
    return std::vector<RetryEntry>{{Sequence(10), 1, 0, WallTime(5'000)},
                                   {Sequence(4), 65'535, 3, WallTime(0)},
                                   {Sequence(11), 0, 65'535, WallTime(-7)}};
  };
  const auto deads = [] {
    return std::vector<DeadEntry>{{Sequence(3), 5, 1, WallTime(77)},
                                  {Sequence(900), 0, 0, WallTime(0)}};
  };
  const std::string software = "0.1.0";
  std::vector<Sample> all;
  all.push_back(
      sample(IncarnationFact{7, true, WallTime(123), 1U << 20, some_id<base::Id128>(1), software},
             decode_incarnation));
  all.push_back(sample(FeatureLevelFact{1}, decode_feature_level));
  all.push_back(
      sample(QueueConfiguredFact{some_id<base::QueueId>(9), "orders", 4, test::bytes_of("config")},
             decode_queue_configured));
  all.push_back(sample(QueueDeletedFact{some_id<base::QueueId>(2)}, decode_queue_deleted));
  all.push_back(sample(LeasedFact{some_key(), some_id<base::SessionId>(3), base::Epoch(1ULL << 40),
                                  30'000, some_ranges()},
                       decode_leased));
  all.push_back(sample(SettledFact{some_key(), some_ranges()}, decode_settled));
  all.push_back(
      sample(ReleasedFact{some_key(), ReleaseCause::kRestart, some_ranges()}, decode_released));
  all.push_back(
      sample(FailedFact{some_key(), "boom", "pod-1", WallTime(4'000), retries()}, decode_failed));
  all.push_back(
      sample(StalledFact{some_key(), "pod-1", WallTime(4'000), retries()}, decode_stalled));
  all.push_back(
      sample(DeadFact{some_key(), DeadReason::kOverflow, "no", "pod", WallTime(99), deads()},
             decode_dead));
  all.push_back(
      sample(DeadFact{some_key(), DeadReason::kExpired, "", "", WallTime(99), deads(), true},
             decode_dead));
  all.push_back(
      sample(RedrivenFact{some_key(), some_id<base::TaskId>(4), some_ranges()}, decode_redriven));
  all.push_back(sample(RewoundFact{some_key(), some_ranges()}, decode_rewound));
  all.push_back(sample(DamagedFact{some_key(), DamageEvent::kReadable, base::Lsn(4096),
                                   base::Lsn(8192), base::WallTime(17), some_ranges()},
                       decode_damaged));
  all.push_back(sample(
      SubscriptionExpiredFact{some_id<base::QueueId>(2), base::SubscriptionId(9), WallTime(123)},
      decode_subscription_expired));
  all.push_back(
      sample(DroppedFact{some_key().stream, DropCause::kSize, some_ranges()}, decode_dropped));
  all.push_back(
      sample(RemovedFact{some_key(), RemoveCause::kSequenceJump, some_ranges()}, decode_removed));
  all.push_back(sample(SessionFact{some_id<base::SessionId>(5), SessionEvent::kResumed, 3, "pod"},
                       decode_session));
  all.push_back(sample(TaskFact{some_id<base::TaskId>(6), TaskKind::kCopy, TaskState::kFailed,
                                some_key(), 10, 9, Sequence(8), test::bytes_of("selector")},
                       decode_task));
  all.push_back(sample(TransferFact{some_id<base::TaskId>(6), TaskKind::kMove, true, some_key(),
                                    StreamId{some_id<base::QueueId>(7), base::ShardIndex(3)},
                                    Sequence(1'000), 12, 20, 19, Sequence(44), some_ranges()},
                       decode_transfer));
  all.push_back(sample(ProducerFact{some_id<base::ProducerId>(8), 2}, decode_producer));
  all.push_back(sample(SegmentsDroppedFact{{1, 2, 9}}, decode_segments_dropped));
  ExtentSwapFact swap;
  swap.extent = kExtentNumberFirst + 3;
  swap.uuid = some_id<base::Id128>(9);
  swap.bytes = 8'192;
  swap.header_crc = 0xC0FFEE;
  swap.replaced = {3, 4, 7, kExtentNumberFirst + 1};
  swap.streams.push_back({some_key().stream,
                          {{Sequence(5), 4'096}, {Sequence(900), 70'000}},
                          {{Sequence(5), Sequence(80)}, {Sequence(900), Sequence(1'000)}}});
  all.push_back(sample(swap, decode_extent_swap));
  return all;
}

TEST(FactCodec, EveryFactComesBackAsItWas) {
  for (const Sample& one : samples()) {
    const auto again = one.again(one.bytes);
    ASSERT_THAT(again, IsOk()) << to_string(one.type);
    EXPECT_EQ(*again, one.bytes) << to_string(one.type);
    EXPECT_TRUE(is_known(one.type));
  }
}

TEST(FactCodec, DecodedFieldsAreTheEncodedOnes) {
  const auto failed = decode_failed(encoded(
      FailedFact{some_key(),
                 "boom",
                 "pod-1",
                 WallTime(4'000),
                 {{Sequence(10), 1, 2, WallTime(5'000)}, {Sequence(4), 3, 4, WallTime(0)}}}));
  ASSERT_THAT(failed, IsOk());
  EXPECT_EQ(failed->key, some_key());
  EXPECT_EQ(failed->error, "boom");
  EXPECT_EQ(failed->consumer, "pod-1");
  EXPECT_EQ(failed->at, WallTime(4'000));
  ASSERT_EQ(failed->entries.size(), 2U);
  EXPECT_EQ(failed->entries[1].sequence, Sequence(4));
  EXPECT_EQ(failed->entries[1].attempts, 3);
  EXPECT_EQ(failed->entries[1].stalls, 4);
  EXPECT_EQ(failed->entries[0].due, WallTime(5'000));
  EXPECT_EQ(failed->entries[1].due, WallTime(0));

  const auto leased = decode_leased(encoded(
      LeasedFact{some_key(), some_id<base::SessionId>(3), base::Epoch(77), 30'000, some_ranges()}));
  ASSERT_THAT(leased, IsOk());
  EXPECT_EQ(leased->ranges, some_ranges());
  EXPECT_EQ(leased->epoch, base::Epoch(77));
}

TEST(FactCodec, MissingAndSurplusBytesAreRefused) {
  for (const Sample& one : samples()) {
    for (std::size_t bytes = 0; bytes < one.bytes.size(); ++bytes) {
      EXPECT_THAT(one.again(ByteView(one.bytes).first(bytes)),
                  HasCode(base::ErrorCode::kCorruption))
          << to_string(one.type) << " cut to " << bytes;
    }
    auto longer = one.bytes;
    longer.push_back(std::byte{0});
    EXPECT_THAT(one.again(longer), HasCode(base::ErrorCode::kCorruption)) << to_string(one.type);
  }
}

TEST(FactCodec, NoBytesMakeADecoderMisbehave) {
  base::Prng prng(11);
  const std::vector<Sample> all = samples();
  for (int round = 0; round < 20'000; ++round) {
    const Sample& one = all[prng.below(all.size())];
    auto bytes = one.bytes;
    for (std::uint64_t i = prng.below(4); i <= 4; ++i) {
      bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    }
    // Either refused, or something that encodes again.
    const auto again = one.again(bytes);
    if (again) {
      EXPECT_LE(again->size(), bytes.size());
    }
  }
}

TEST(FactCodec, ACountThatTheBytesCannotHoldAllocatesNothing) {
  std::vector<std::byte> bytes = encoded(SettledFact{some_key(), {}});
  base::store(bytes.data() + bytes.size() - 4, std::uint32_t{0xFFFFFFFF});
  EXPECT_THAT(decode_settled(bytes), HasCode(base::ErrorCode::kCorruption));
}

TEST(FactCodec, UnknownEnumeratorsAreRefused) {
  std::vector<std::byte> bytes = encoded(ReleasedFact{some_key(), ReleaseCause::kConsumer, {}});
  for (const unsigned cause : {0U, 4U, 255U}) {
    bytes[20] = static_cast<std::byte>(cause);
    EXPECT_THAT(decode_released(bytes), HasCode(base::ErrorCode::kCorruption));
  }
}

TEST(FactCodec, TextsAreCutAtTheirLimit) {
  FailedFact fact;
  fact.key = some_key();
  fact.error = std::string(5'000, 'e');
  fact.consumer = std::string(70'000, 'c');
  const auto decoded = decode_failed(encoded(fact));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->error.size(), kErrorTextBytesMax);
  EXPECT_EQ(decoded->consumer.size(), kTextBytesMax);
}

TEST(FactCodec, MessagesHaveTheDocumentedHead) {
  MessagesFact fact;
  fact.stream = stream_number(1);
  fact.stream.shard = base::ShardIndex(0x0102);
  fact.first = Sequence(11);
  fact.count = 3;
  fact.accepted_at = WallTime(12);
  fact.previous = base::Lsn(13);
  fact.producer = some_id<base::ProducerId>(20);
  fact.producer_epoch = 14;
  fact.producer_sequence = 15;
  fact.body_bytes = 16;
  fact.flags = kMessagesHaveTiming;
  std::vector<std::byte> payload(kMessagesHeadBytes);
  encode(fact, std::span<std::byte, kMessagesHeadBytes>(payload));
  EXPECT_EQ(base::load<std::uint16_t>(payload.data() + 16), 0x0102);
  EXPECT_EQ(base::load<std::uint64_t>(payload.data() + 24), 11U);
  EXPECT_EQ(base::load<std::uint32_t>(payload.data() + 76), 16U);
  payload.push_back(std::byte{42});
  const auto decoded = decode_messages(payload);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->fact.stream, fact.stream);
  EXPECT_EQ(decoded->fact.first, fact.first);
  EXPECT_EQ(decoded->fact.count, fact.count);
  EXPECT_EQ(decoded->fact.accepted_at, fact.accepted_at);
  EXPECT_EQ(decoded->fact.previous, fact.previous);
  EXPECT_EQ(decoded->fact.producer, fact.producer);
  EXPECT_EQ(decoded->fact.producer_epoch, fact.producer_epoch);
  EXPECT_EQ(decoded->fact.producer_sequence, fact.producer_sequence);
  EXPECT_EQ(decoded->fact.flags, fact.flags);
  EXPECT_EQ(decoded->entries.size(), 1U);
}

TEST(FactCodec, AMessagesHeadWithoutMessagesIsRefused) {
  MessagesFact fact;
  fact.first = Sequence(1);
  fact.count = 0;
  std::vector<std::byte> payload(kMessagesHeadBytes);
  encode(fact, std::span<std::byte, kMessagesHeadBytes>(payload));
  EXPECT_THAT(decode_messages(payload), HasCode(base::ErrorCode::kCorruption));
  fact.count = 2;
  fact.first = Sequence(std::numeric_limits<std::uint64_t>::max());
  encode(fact, std::span<std::byte, kMessagesHeadBytes>(payload));
  EXPECT_THAT(decode_messages(payload), HasCode(base::ErrorCode::kCorruption));
  EXPECT_THAT(decode_messages(ByteView(payload).first(79)), HasCode(base::ErrorCode::kCorruption));
}

TEST(FactCodec, LargeMessagesAndTheirChunksGoRound) {
  MessagesFact fact;
  fact.stream.queue.bytes[3] = 9;
  fact.first = base::Sequence(7);
  fact.count = 1;
  fact.flags = kMessagesLarge | kMessagesHaveTiming;
  fact.chunks = base::Lsn(8192);
  fact.entry_bytes = 300'000;
  std::vector<std::byte> payload(kLargeHeadBytes + 5);
  encode_large(fact, std::span<std::byte, kLargeHeadBytes>(payload.data(), kLargeHeadBytes));
  const auto decoded = decode_messages(payload);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->fact.chunks, base::Lsn(8192));
  EXPECT_EQ(decoded->fact.entry_bytes, 300'000U);
  EXPECT_EQ(decoded->entries.size(), 5U);
  fact.count = 2;
  encode_large(fact, std::span<std::byte, kLargeHeadBytes>(payload.data(), kLargeHeadBytes));
  EXPECT_THAT(decode_messages(payload), HasCode(base::ErrorCode::kCorruption));

  std::vector<std::byte> chunk(kChunkHeadBytes + 3);
  encode(MessageChunkFact{fact.stream, base::Sequence(7), 300'000, 258'048},
         std::span<std::byte, kChunkHeadBytes>(chunk.data(), kChunkHeadBytes));
  const auto piece = decode_message_chunk(chunk);
  ASSERT_THAT(piece, IsOk());
  EXPECT_EQ(piece->fact.stream, fact.stream);
  EXPECT_EQ(piece->fact.sequence, base::Sequence(7));
  EXPECT_EQ(piece->fact.entry_bytes, 300'000U);
  EXPECT_EQ(piece->fact.offset, 258'048U);
  EXPECT_EQ(piece->piece.size(), 3U);
  EXPECT_THAT(decode_message_chunk(ByteView(chunk).first(41)),
              HasCode(base::ErrorCode::kCorruption));
}

TEST(FactCodec, TypesHaveNames) {
  EXPECT_EQ(to_string(RecordType::kPadding), "Padding");
  EXPECT_EQ(to_string(RecordType::kSegmentsDropped), "SegmentsDropped");
  EXPECT_EQ(to_string(static_cast<RecordType>(200)), "type 200");
  EXPECT_TRUE(is_known(RecordType::kMessageChunk));
  EXPECT_FALSE(is_known(RecordType::kDedupIds));
  EXPECT_FALSE(is_known(static_cast<RecordType>(33)));
}

}  // namespace
}  // namespace sluice::storage
