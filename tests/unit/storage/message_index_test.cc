#include "storage/message_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::Lsn;
using base::Sequence;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::stream_number;

constexpr std::uint64_t kIndexSegmentBytes = 1U << 20;

BatchLocation batch(std::uint64_t lsn, std::uint64_t first, std::uint32_t count) {
  BatchLocation location;
  location.lsn = Lsn(lsn);
  location.first = Sequence(first);
  location.count = count;
  return location;
}

std::vector<std::byte> encoded(const MessageIndex& index) {
  std::vector<std::byte> bytes;
  index.encode(bytes);
  return bytes;
}

// Two streams, three segments, several groups.
MessageIndex filled() {
  MessageIndex index(kIndexSegmentBytes);
  std::uint64_t first[] = {1, 1};
  for (std::uint64_t lsn = kIndexSegmentBytes + 4096; lsn < 4 * kIndexSegmentBytes; lsn += 10'000) {
    const unsigned which = lsn / 10'000 % 2;
    index.add(stream_number(which), batch(lsn, first[which], 5), 10'000);
    first[which] += 5;
  }
  return index;
}

TEST(MessageIndex, AGroupClosesAtItsSizeItsCountAndItsSegment) {
  const StreamId stream = stream_number(1);
  MessageIndex by_size(kIndexSegmentBytes);
  EXPECT_FALSE(by_size.add(stream, batch(kIndexSegmentBytes + 4096, 1, 1), 60'000));
  const auto closed = by_size.add(stream, batch(kIndexSegmentBytes + 65'000, 2, 1), 10'000);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->batches.size(), 2U);
  EXPECT_EQ(closed->group.first, Sequence(1));
  EXPECT_EQ(closed->group.last_record, Lsn(kIndexSegmentBytes + 65'000));

  MessageIndex by_count(kIndexSegmentBytes);
  for (std::uint64_t i = 0; i < 63; ++i) {
    EXPECT_FALSE(by_count.add(stream, batch(kIndexSegmentBytes + 4096 + i * 8, i + 1, 1), 8));
  }
  EXPECT_TRUE(by_count.add(stream, batch(kIndexSegmentBytes + 4096 + 63 * 8, 64, 1), 8));

  MessageIndex by_segment(kIndexSegmentBytes);
  by_segment.add(stream, batch(kIndexSegmentBytes + 4096, 1, 1), 8);
  EXPECT_TRUE(by_segment.add(stream, batch(2 * kIndexSegmentBytes + 4096, 2, 1), 8));
  EXPECT_EQ(by_segment.groups_count(stream), 1U);
  EXPECT_EQ(by_segment.open_batches(stream).size(), 1U);
}

TEST(MessageIndex, FindsTheGroupWhereASearchBegins) {
  const StreamId stream = stream_number(1);
  MessageIndex index(kIndexSegmentBytes);
  EXPECT_FALSE(index.find(stream, Sequence(1)));
  // Groups begin at 10, 20, 30; open from 40 on.
  for (std::uint64_t i = 1; i <= 3; ++i) {
    index.add(stream, batch(kIndexSegmentBytes + 4096 + i * 70'000, i * 10, 5), 70'000);
  }
  index.add(stream, batch(kIndexSegmentBytes + 400'000, 40, 5), 10);
  const auto found = [&](std::uint64_t sequence) {
    return index.find(stream, Sequence(sequence))->group;
  };
  EXPECT_EQ(found(1), 0U);
  EXPECT_EQ(found(10), 0U);
  EXPECT_EQ(found(19), 0U);
  EXPECT_EQ(found(20), 1U);
  EXPECT_EQ(found(39), 2U);
  EXPECT_EQ(found(40), 3U);
  EXPECT_EQ(found(44), 3U);
  EXPECT_FALSE(index.find(stream, Sequence(45)));
  EXPECT_EQ(index.last_record(stream), Lsn(kIndexSegmentBytes + 400'000));
}

TEST(MessageIndex, AddingTwiceChangesNothing) {
  MessageIndex index = filled();
  const auto before = encoded(index);
  index.add(stream_number(0), batch(3 * kIndexSegmentBytes + 8192, 6, 5), 10'000);
  EXPECT_EQ(encoded(index), before);
}

TEST(MessageIndex, DroppingASegmentForgetsAllThatLayInIt) {
  MessageIndex index = filled();
  const auto ranges = index.ranges(2);
  ASSERT_EQ(ranges.size(), 2U);
  index.drop_segment(2);
  EXPECT_FALSE(index.has_segment(2));
  EXPECT_TRUE(index.ranges(2).empty());
  for (const MessageIndex::SegmentRange& range : ranges) {
    for (std::size_t i = 0; i < index.groups_count(range.stream); ++i) {
      EXPECT_NE(index.group(range.stream, i).last_record.value() / kIndexSegmentBytes, 2U);
    }
  }
  index.drop_segment(1);
  index.drop_segment(3);
  EXPECT_FALSE(index.find(stream_number(0), Sequence(1)));
  EXPECT_EQ(index.last_record(stream_number(0)), Lsn());
  EXPECT_EQ(encoded(index), encoded(MessageIndex(kIndexSegmentBytes)));
}

TEST(MessageIndex, SurvivesASnapshot) {
  MessageIndex index = filled();
  index.add_segment(9);
  const auto restored = MessageIndex::decode(encoded(index), kIndexSegmentBytes);
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(encoded(*restored), encoded(index));
  EXPECT_EQ(restored->segments(), index.segments());
  EXPECT_EQ(restored->last_record(stream_number(1)), index.last_record(stream_number(1)));
  for (std::uint64_t sequence = 1; sequence < 700; ++sequence) {
    const auto a = index.find(stream_number(1), Sequence(sequence));
    const auto b = restored->find(stream_number(1), Sequence(sequence));
    ASSERT_EQ(a.has_value(), b.has_value());
    if (a) {
      EXPECT_EQ(a->group, b->group);
    }
  }
}

TEST(MessageIndex, GoesOnAfterASnapshot) {
  MessageIndex index = filled();
  auto restored = MessageIndex::decode(encoded(index), kIndexSegmentBytes);
  ASSERT_THAT(restored, IsOk());
  const StreamId stream = stream_number(0);
  const std::uint64_t next = index.ranges(3).front().range.last.value() + 100;
  restored->add(stream, batch(4 * kIndexSegmentBytes - 4096, next, 1), 100);
  EXPECT_EQ(restored->open_batches(stream).size(), 1U);
  EXPECT_TRUE(restored->find(stream, Sequence(next)));
  for (const auto& range : restored->ranges(3)) {
    if (range.stream == stream) {
      EXPECT_EQ(range.range.last, Sequence(next));
    }
  }
}

TEST(MessageIndex, MalformedBytesAreRefused) {
  const auto good = encoded(filled());
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_THAT(MessageIndex::decode(base::ByteView(good).first(bytes), kIndexSegmentBytes),
                HasCode(base::ErrorCode::kCorruption));
  }
  base::Prng prng(4);
  for (int round = 0; round < 5'000; ++round) {
    auto bytes = good;
    bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    const auto decoded = MessageIndex::decode(bytes, kIndexSegmentBytes);
    if (decoded) {
      EXPECT_LE(encoded(*decoded).size(), bytes.size() + 20);
    }
  }
}

TEST(MessageIndex, TenMillionMessagesTakeLittleMemory) {
  constexpr std::uint64_t kMessages = 10'000'000;
  const StreamId stream = stream_number(1);
  MessageIndex batched(64U << 20);
  constexpr std::uint32_t kBatch = 600;  // of 108 bytes: 64 KiB records
  std::uint64_t lsn = 64U << 20;
  for (std::uint64_t first = 1; first < kMessages; first += kBatch, lsn += 65'536) {
    batched.add(stream, batch(lsn, first, kBatch), 65'536);
  }
  EXPECT_LT(batched.memory_bytes(), 1U << 20);

  MessageIndex single(64U << 20);
  lsn = 64U << 20;
  for (std::uint64_t first = 1; first < kMessages; ++first, lsn += 232) {
    single.add(stream, batch(lsn, first, 1), 232);
  }
  EXPECT_LT(single.memory_bytes(), 8U << 20);
}

// A message in pieces begins in a segment that stays for another stream's sake; its last piece, and
// with it all that is known of its stream, goes.
TEST(MessageIndex, PiecesOfAStreamThatIsGoneDoNotSpoilASnapshot) {
  for (const unsigned gone : {0U, 2U}) {  // below and above the one that stays
    MessageIndex index(kIndexSegmentBytes);
    index.add(stream_number(1), batch(kIndexSegmentBytes + 4096, 1, 1), 8);
    BatchLocation large = batch(2 * kIndexSegmentBytes + 4096, 1, 1);
    large.chunks = Lsn(kIndexSegmentBytes + 10'000);
    index.add(stream_number(gone), large, 300'000);
    index.drop_segment(2);
    const auto again = MessageIndex::decode(encoded(index), kIndexSegmentBytes);
    ASSERT_THAT(again, IsOk());
    ASSERT_EQ(again->ranges(1).size(), 1U);
    EXPECT_EQ(again->ranges(1).front().stream, stream_number(1));
    EXPECT_TRUE(again->find(stream_number(1), Sequence(1)));
  }
}

}  // namespace
}  // namespace sluice::storage
