#include "storage/indexed_message_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Sequence;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::body_of;
using test::LogHarness;
using test::stream_number;

const StreamId kStream = stream_number(1);
const StreamId kOther = stream_number(2);

void expect_all(LogHarness& harness, const StreamId& stream, std::uint64_t first,
                std::uint64_t last, std::size_t body_bytes, std::uint32_t bytes_max = 1U << 20) {
  const auto seen = harness.consume(stream, first, last, bytes_max);
  ASSERT_EQ(seen.size(), last - first + 1);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].sequence, first + i);
    EXPECT_FALSE(seen[i].damaged);
    EXPECT_EQ(seen[i].body, body_of(first + i, body_bytes));
  }
}

TEST(IndexedMessageStore, ServesFromMemoryAndFromTheFile) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t first = 1; first <= 2'000; first += 20) {
    harness.publish(kStream, first, 20, 60);
    if (first % 100 == 1) harness.publish(kOther, first / 100 + 1, 1, 500);
    if (first % 500 == 1) {
      ASSERT_THAT(harness.log().flush(), IsOk());
    }
  }
  expect_all(harness, kStream, 1, 2'000, 60);
  expect_all(harness, kOther, 1, 20, 500);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.opened().trim_memory();
  expect_all(harness, kStream, 1, 2'000, 60);
  expect_all(harness, kStream, 1, 2'000, 60, 1'000);
  expect_all(harness, kOther, 1, 20, 500);
}

TEST(IndexedMessageStore, LocatesTheBatchOrTheNextOne) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.publish(kStream, 10, 5);
  harness.publish(kStream, 20, 5);
  const auto locate = [&](std::uint64_t sequence) {
    const auto found = harness.messages().locate(kStream, Sequence(sequence));
    EXPECT_THAT(found, IsOk());
    return *found ? (*found)->first.value() : 0;
  };
  EXPECT_EQ(locate(1), 10U);
  EXPECT_EQ(locate(10), 10U);
  EXPECT_EQ(locate(14), 10U);
  EXPECT_EQ(locate(15), 20U);
  EXPECT_EQ(locate(24), 20U);
  EXPECT_EQ(locate(25), 0U);
  EXPECT_THAT(harness.messages().locate(kOther, Sequence(1)), IsOk());
  const auto batch = harness.messages().locate(kStream, Sequence(12));
  EXPECT_EQ((*batch)->count, 5U);
  EXPECT_EQ((*batch)->entries_offset, kMessagesHeadBytes);
  EXPECT_EQ((*batch)->entries_bytes, 5 * 108U);
  EXPECT_EQ((*batch)->body_bytes, 500U);
  EXPECT_EQ((*batch)->accepted_at, base::WallTime(1'010));
}

TEST(IndexedMessageStore, EverySequenceIsFoundAgainAfterARestart) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  base::Prng prng(9);
  std::uint64_t next = 1;
  for (int i = 0; i < 800; ++i) {
    const auto count = static_cast<std::uint32_t>(1 + prng.below(10));
    harness.publish(kStream, next, count, 40);
    next += count;
    harness.publish(kOther, static_cast<std::uint64_t>(i) + 1, 1, prng.below(3'000));
    if (i % 97 == 0) {
      ASSERT_THAT(harness.log().flush(), IsOk());
    }
  }
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().kill();
  ASSERT_THAT(harness.open(), IsOk());
  expect_all(harness, kStream, 1, next - 1, 40);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t sequence = 1 + prng.below(next - 1);
    expect_all(harness, kStream, sequence, sequence, 40);
  }
  harness.publish(kStream, next, 3, 40);
  expect_all(harness, kStream, next - 5, next + 2, 40);
}

TEST(IndexedMessageStore, OneSliceOfALargeBatchReadsNoMoreThanItNeeds) {
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  harness.publish(kStream, 1, 2'000, 100);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.opened().trim_memory();
  const auto batch = harness.messages().locate(kStream, Sequence(1'500));
  ASSERT_THAT(batch, IsOk());
  const auto slice = harness.messages().slice(**batch, Sequence(1'500), Sequence(1'500), 4096);
  ASSERT_THAT(slice, IsOk());
  const auto entries = harness.messages().read(*slice);
  ASSERT_THAT(entries, IsOk());
  EXPECT_EQ(entries->size(), 108U);
  // A second consumer at another place of the same record.
  const auto other = harness.messages().slice(**batch, Sequence(3), Sequence(9), 4096);
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->count, 7U);
}

TEST(IndexedMessageStore, ManySlicesAreCutAndCopiedAsOneByOne) {
  for (const bool in_file : {false, true}) {
    LogHarness harness(1U << 20);
    ASSERT_THAT(harness.open(), IsOk());
    harness.publish(kStream, 1, 900, 100);
    if (in_file) {
      ASSERT_THAT(harness.log().flush(), IsOk());
      harness.opened().trim_memory();
    }
    const auto batch = harness.messages().locate(kStream, Sequence(1));
    ASSERT_THAT(batch, IsOk());
    for (const std::uint64_t step : {2U, 3U, 40U}) {
      std::vector<base::SequenceRange> wanted;
      for (std::uint64_t at = 5; at <= 890; at += step) {
        wanted.push_back({Sequence(at), Sequence(at + step / 3)});
      }
      std::vector<EntrySlice> slices;
      ASSERT_THAT(harness.messages().slices(**batch, wanted, 20'000, slices), IsOk());
      std::vector<EntrySlice> expected;
      ASSERT_THAT(harness.messages().MessageStore::slices(**batch, wanted, 20'000, expected),
                  IsOk());
      ASSERT_EQ(slices.size(), expected.size());
      std::vector<std::byte> one_by_one;
      for (std::size_t i = 0; i < slices.size(); ++i) {
        EXPECT_EQ(slices[i].first, expected[i].first);
        EXPECT_EQ(slices[i].count, expected[i].count);
        EXPECT_EQ(slices[i].offset, expected[i].offset);
        const auto bytes = harness.messages().read(expected[i]);
        ASSERT_THAT(bytes, IsOk());
        one_by_one.insert(one_by_one.end(), bytes->begin(), bytes->end());
      }
      std::vector<std::byte> copied(one_by_one.size());
      ASSERT_THAT(harness.messages().copy(slices, copied), IsOk());
      EXPECT_EQ(copied, one_by_one);
    }
  }
}

TEST(IndexedMessageStore, WhatIsDamagedEndsARowOfSlicesAndTheCopyOfOne) {
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  const Appended record = harness.publish(kStream, 1, 1'000, 100);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const auto batch = harness.messages().locate(kStream, Sequence(1));
  ASSERT_THAT(batch, IsOk());
  std::vector<base::SequenceRange> wanted;
  for (std::uint64_t at = 1; at <= 999; at += 2) wanted.push_back({Sequence(at), Sequence(at)});
  std::vector<EntrySlice> good;
  ASSERT_THAT(harness.messages().slices(**batch, wanted, 1U << 20, good), IsOk());
  ASSERT_EQ(good.size(), wanted.size());

  const std::size_t tail = 32 + 27 * 8 + 80;
  harness.fs().flip_bit(LogHarness::segment_path(1),
                        record.begin.value() - (1U << 20) + tail + 500 * 108, 5);
  harness.opened().trim_memory();
  std::vector<EntrySlice> slices;
  ASSERT_THAT(harness.messages().slices(**batch, wanted, 1U << 20, slices), IsOk());
  EXPECT_GT(slices.size(), 200U);
  EXPECT_LT(slices.size(), 260U);
  for (const EntrySlice& slice : slices) EXPECT_FALSE(slice.damaged);
  // The next one by itself is told to be damaged.
  const auto behind = std::span(wanted).subspan(slices.size());
  std::vector<EntrySlice> rest;
  ASSERT_THAT(harness.messages().slices(**batch, behind, 1U << 20, rest), IsOk());
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_TRUE(rest.front().damaged);

  std::vector<std::byte> bytes(500 * 108);
  EXPECT_THAT(harness.messages().copy(good, bytes), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(harness.messages().copy(slices, std::span(bytes).first(slices.size() * 108)), IsOk());
}

TEST(IndexedMessageStore, ABrokenHeaderCostsItsOwnBatchOnly) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::vector<Appended> records;
  for (std::uint64_t i = 1; i <= 200; ++i) records.push_back(harness.publish(kStream, i, 1, 40));
  ASSERT_THAT(harness.log().flush(), IsOk());
  for (const std::size_t victim : {0U, 63U, 64U, 100U, 199U}) {
    const std::uint64_t at = records[victim].begin.value() - 64 * 1024;
    harness.fs().flip_bit(LogHarness::segment_path(1), at + 40, 2);  // in the head of the fact
    harness.opened().trim_memory();
    const auto seen = harness.consume(kStream, 1, 200);
    // The newest group is in memory as locations: there the loss shows as damage.
    std::size_t lost = 0;
    for (const auto& one : seen) lost += one.damaged ? 1 : 0;
    EXPECT_EQ(seen.size() - lost, 199U) << "victim " << victim;
    harness.fs().flip_bit(LogHarness::segment_path(1), at + 40, 2);
    harness.opened().trim_memory();
    expect_all(harness, kStream, 1, 200, 40);
  }
}

TEST(IndexedMessageStore, AFlippedBitCostsTheMessagesInItsBlockOnly) {
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  const Appended record = harness.publish(kStream, 1, 1'000, 100);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const std::size_t tail = 32 + 27 * 8 + 80;
  base::Prng prng(6);
  for (int round = 0; round < 60; ++round) {
    const std::size_t at = prng.below(108'000);
    const std::uint64_t offset = record.begin.value() - (1U << 20) + tail + at;
    harness.fs().flip_bit(LogHarness::segment_path(1), offset, 5);
    harness.opened().trim_memory();
    const auto seen = harness.consume(kStream, 1, 1'000, 30'000);
    ASSERT_EQ(seen.size(), 1'000U);
    const std::size_t block = at / kBlockBytes;
    for (std::size_t i = 0; i < 1'000; ++i) {
      const bool touches = i * 108 / kBlockBytes <= block && (i * 108 + 107) / kBlockBytes >= block;
      EXPECT_EQ(seen[i].damaged, touches);
      if (!touches) {
        EXPECT_EQ(seen[i].body, body_of(i + 1, 100));
      }
    }
    harness.fs().flip_bit(LogHarness::segment_path(1), offset, 5);
  }
}

TEST(IndexedMessageStore, DamageThatIsMetIsNotedOnce) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::vector<Appended> records;
  for (std::uint64_t i = 1; i <= 200; ++i) records.push_back(harness.publish(kStream, i, 1, 40));
  ASSERT_THAT(harness.log().flush(), IsOk());
  // A bit of a body; heads in a closed group, at its end, and in the group that is still open.
  for (const std::size_t victim : {20U, 50U, 63U, 199U}) {
    const Appended& record = records[victim];
    const std::uint64_t at = record.begin.value() - 64 * 1024;
    const std::uint64_t bit_at = victim == 20U ? at + 130 : at + 40;
    harness.fs().flip_bit(LogHarness::segment_path(1), bit_at, 2);
    harness.opened().trim_memory();
    harness.consume(kStream, 1, 200);
    EXPECT_EQ(harness.messages().take_met_damage(), std::vector<Lsn>{record.begin})
        << "victim " << victim;
    harness.opened().trim_memory();
    harness.consume(kStream, 1, 200);
    EXPECT_TRUE(harness.messages().take_met_damage().empty());
    harness.fs().flip_bit(LogHarness::segment_path(1), bit_at, 2);
  }
  harness.opened().trim_memory();
  harness.consume(kStream, 1, 200);
  EXPECT_TRUE(harness.messages().take_met_damage().empty());
}

// The loop has a millisecond for a command.
TEST(IndexedMessageStore, DamageThatIsMetAgainIsNotReadAgain) {
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  const Appended headless = harness.publish(kStream, 1, 5, 100);
  const Appended flipped = harness.publish(kStream, 6, 5, 100);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const std::uint64_t base = 1U << 20;
  harness.fs().flip_bit(LogHarness::segment_path(1), headless.begin.value() - base + 4, 2);
  harness.fs().flip_bit(LogHarness::segment_path(1), flipped.end.value() - base - 20, 2);
  harness.opened().trim_memory();
  const auto reads = [&] { return harness.fs().operations(runtime::FileOperation::kRead); };
  const std::uint64_t before = reads();
  const auto slice_both = [&] {
    for (const std::uint64_t first : {1U, 6U}) {
      const auto batch = harness.messages().locate(kStream, Sequence(first));
      ASSERT_THAT(batch, IsOk());
      ASSERT_TRUE(batch->has_value());
      const auto slice =
          harness.messages().slice(**batch, Sequence(first), Sequence(first + 4), 1U << 20);
      ASSERT_THAT(slice, IsOk());
      EXPECT_TRUE(slice->damaged);
    }
  };
  slice_both();
  // Two headers and one body.
  EXPECT_EQ(reads(), before + 3);
  for (int i = 0; i < 10; ++i) slice_both();
  EXPECT_EQ(reads(), before + 3);
  EXPECT_EQ(harness.messages().take_met_damage(),
            (std::vector<Lsn>{headless.begin, flipped.begin}));
}

TEST(IndexedMessageStore, AnUnreadableSectorIsDamageNotAnError) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.publish(kStream, 1, 100, 100);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.opened().trim_memory();
  const auto batch = harness.messages().locate(kStream, Sequence(1));
  ASSERT_THAT(batch, IsOk());
  // Front of the record, all blocks at once, then each by itself: the second of three fails.
  harness.fs().fail({runtime::FileOperation::kRead, 2, EIO, "", 0});
  harness.fs().fail({runtime::FileOperation::kRead, 4, EIO, "", 0});
  const auto slice = harness.messages().slice(**batch, Sequence(1), Sequence(100), 1U << 20);
  ASSERT_THAT(slice, IsOk());
  EXPECT_FALSE(slice->damaged);
  EXPECT_LT(slice->count, 100U);
  const auto rest =
      harness.messages().slice(**batch, slice->first + slice->count, Sequence(100), 1U << 20);
  ASSERT_THAT(rest, IsOk());
  EXPECT_TRUE(rest->damaged);
}

}  // namespace
}  // namespace sluice::storage
