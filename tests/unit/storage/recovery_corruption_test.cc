#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "storage/log_verify.h"
#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

// Bytes that were durable and are not what they were: found, named, never cut, and no more lost
// than what they hit.
namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using runtime::CrashPlan;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

constexpr std::uint64_t kSegment = 64 * 1024;
const StreamId kDamagedStream = stream_number(1);

// Two sealed segments and an open one, all proven durable by records behind them.
std::uint64_t fill_segments(LogHarness& harness) {
  EXPECT_THAT(harness.open(), IsOk());
  std::uint64_t next = 1;
  while (harness.log().active_segment() < 3) {
    harness.publish(kDamagedStream, next, 7, 300);
    next += 7;
    harness.append_fact(next);
    EXPECT_THAT(harness.log().flush(), IsOk());
  }
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  return next - 1;
}

TEST(RecoveryCorruption, AFlippedBitInASealedSegmentIsReportedAndCostsLittle) {
  LogHarness origin;
  const std::uint64_t last = fill_segments(origin);
  ASSERT_THAT(origin.open(), IsOk());
  const Lsn end = origin.report().end;
  const std::size_t records = origin.replayed().size();
  origin.close();
  base::Prng prng(1);
  for (int round = 0; round < 400; ++round) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().kill();
    const std::uint64_t segment = 1 + prng.below(2);
    const std::string path = LogHarness::segment_path(segment);
    const std::uint64_t file_bytes = harness.fs().contents(path)->size();
    const std::uint64_t offset = 4096 + prng.below(file_bytes - 4096);
    harness.fs().flip_bit(path, offset, static_cast<unsigned>(prng.below(8)));
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.report().end, end);
    EXPECT_EQ(harness.report().cut_bytes, 0U);
    ASSERT_LE(harness.report().corrupt.size(), 1U);
    EXPECT_GE(harness.replayed().size() + 1, records);
    std::size_t damaged = 0;
    const auto seen = harness.consume(kDamagedStream, 1, last);
    for (const auto& one : seen) {
      damaged += one.damaged ? 1 : 0;
      if (!one.damaged) {
        EXPECT_EQ(one.body, test::body_of(one.sequence, 300));
      }
    }
    // At most the batch is lost, and with it nothing else.
    EXPECT_GE(seen.size() - damaged, last - 7);
    // The padding record and alignment bytes do not matter.
    if (harness.report().corrupt.empty()) {
      EXPECT_EQ(seen.size() - damaged, last);
      continue;
    }
    const CorruptRange& corrupt = harness.report().corrupt.front();
    const Lsn flipped(segment * kSegment + offset);
    EXPECT_LE(corrupt.begin, flipped);
    EXPECT_GT(corrupt.end, flipped);
    EXPECT_EQ(corrupt.file, segment_name(segment));
  }
}

TEST(RecoveryCorruption, DamagedMessagesAreToldToTheReplay) {
  LogHarness harness;
  const std::uint64_t last = fill_segments(harness);
  ASSERT_THAT(harness.open(), IsOk());
  const Lsn victim = harness.replayed().front().begin;
  harness.close();
  harness.fs().flip_bit(LogHarness::segment_path(1), victim.value() - kSegment + 500, 0);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.replayed().front().damaged);
  EXPECT_FALSE(harness.replayed()[2].damaged);
  const auto seen = harness.consume(kDamagedStream, 1, last);
  EXPECT_EQ(seen.size(), last);
  EXPECT_TRUE(seen.front().damaged);
  EXPECT_FALSE(seen[7].damaged);
}

TEST(RecoveryCorruption, OfADamagedBatchTheReplayIsToldWhatGoodBlocksHold) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  const Lsn record = harness.publish(kDamagedStream, 1, 40, 1'000).begin;
  for (std::uint64_t i = 0; i < 2; ++i) {
    harness.append_fact(i);
    ASSERT_THAT(harness.log().flush(), IsOk());
  }
  harness.close();
  // The size of message 10, which no walk over the batch survives.
  const std::vector<std::byte> entries = test::batch_from(1, 40, 1'000);
  const std::string path = LogHarness::segment_path(1);
  const std::vector<std::byte> file = *harness.fs().contents(path);
  const std::size_t begin = record.value() - kSegment;
  const auto header =
      parse_record_header(base::ByteView(file).subspan(begin), record, std::nullopt);
  ASSERT_TRUE(header);
  harness.fs().flip_bit(path, begin + header->tail_offset() + 9 * (entries.size() / 40), 5);
  ASSERT_THAT(harness.open(), IsOk());
  const test::Replayed& replayed = harness.replayed().front();
  ASSERT_TRUE(replayed.damaged);
  std::set<std::uint32_t> readable;
  for (const test::Replayed::Readable& part : replayed.readable) {
    const auto summary = base::summarize_batch(part.entries);
    ASSERT_TRUE(summary);
    ASSERT_EQ(summary->count, part.count);
    for (std::uint32_t i = 0; i < part.count; ++i) readable.insert(part.first + i);
  }
  EXPECT_FALSE(readable.contains(9));
  EXPECT_GE(readable.size(), 30U);
  EXPECT_TRUE(readable.contains(0));
  EXPECT_TRUE(readable.contains(39));
}

TEST(RecoveryCorruption, StaysReportedAndStaysUsable) {
  LogHarness harness;
  fill_segments(harness);
  harness.fs().flip_bit(LogHarness::segment_path(1), 10'000, 0);
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  const Lsn begin = harness.report().corrupt.front().begin;
  harness.append_fact(12345);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  EXPECT_EQ(harness.report().corrupt.front().begin, begin);
  EXPECT_EQ(harness.replayed_facts().back(), 12345U);
}

TEST(RecoveryCorruption, ALostSectorBelowTheProvenMarkIsNoTornTail) {
  // Sectors of the middle of the last segment turn to zeros; later records prove that they were
  // durable.
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; i <= 400; ++i) {
    harness.append_fact(i);
    ASSERT_THAT(harness.log().flush(), IsOk());
  }
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  const auto file = harness.fs().open(LogHarness::segment_path(1), runtime::OpenMode::kReadWrite);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->write_at(8192, std::vector<std::byte>(8192)), IsOk());
  ASSERT_THAT((*file)->sync_data(), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  EXPECT_LE(harness.report().corrupt.front().begin, Lsn((1U << 20) + 8192));
  EXPECT_GE(harness.report().corrupt.front().end, Lsn((1U << 20) + 16384));
  EXPECT_EQ(harness.replayed_facts().back(), 400U);
  EXPECT_GT(harness.replayed_facts().size(), 100U);
  EXPECT_EQ(harness.report().cut_bytes, 0U);
}

// Only a record of the unsynced tail, which is cut, proves that what is damaged was durable. A
// start that dies right behind the cut leaves the next one nothing but what it has written itself.
TEST(RecoveryCorruption, WhatACutRecordProvedStaysProven) {
  LogHarness harness(kSegment);
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const Appended damaged = harness.publish(kDamagedStream, 1, 3);
  harness.append_fact(2);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const Appended lost = harness.append_fact(3);
  harness.append_fact(4);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  for (const Appended& record : {damaged, lost}) {
    harness.fs().flip_bit(LogHarness::segment_path(1), record.end.value() % kSegment - 10, 0);
  }
  for (int start = 1; start <= 3; ++start) {
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.replayed_facts(), (std::vector<std::uint64_t>{1, 2})) << start;
    EXPECT_EQ(harness.report().corrupt.size(), 1U) << start;
    const auto seen = harness.consume(kDamagedStream, 1, 3);
    EXPECT_EQ(seen.size(), 3U) << start;
    for (const auto& one : seen) EXPECT_TRUE(one.damaged) << start;
    harness.close();
    harness.fs().crash(CrashPlan::lose_unsynced());
  }
}

TEST(RecoveryCorruption, ASegmentWithoutHeaderKeepsItsRecords) {
  LogHarness origin;
  const std::uint64_t last = fill_segments(origin);
  for (const std::uint64_t segment : {1U, 2U, 3U}) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().kill();
    harness.fs().flip_bit(LogHarness::segment_path(segment), 30, 0);
    harness.fs().flip_bit(LogHarness::segment_path(segment), 2048 + 30, 0);
    ASSERT_THAT(harness.open(), IsOk());
    ASSERT_EQ(harness.report().corrupt.size(), 1U);
    EXPECT_EQ(harness.report().corrupt.front().file, segment_name(segment));
    const auto seen = harness.consume(kDamagedStream, 1, last);
    EXPECT_EQ(seen.size(), last);
    for (const auto& one : seen) EXPECT_FALSE(one.damaged);
    harness.append_fact(777);
    ASSERT_THAT(harness.log().flush(), IsOk());
    harness.close();
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.replayed_facts().back(), 777U);
  }
}

TEST(RecoveryCorruption, AMissingSegmentIsReportedWhereASnapshotKnowsIt) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::uint64_t next = 1;
  while (harness.log().active_segment() < 3) harness.publish(kDamagedStream, next++, 1, 300);
  ASSERT_THAT(harness.log().flush(), IsOk());
  ASSERT_THAT(harness.snapshot("state"), IsOk());
  harness.append_fact(5);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  ASSERT_THAT(harness.fs().remove(LogHarness::segment_path(1)), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  EXPECT_EQ(harness.report().corrupt.front().file, segment_name(1));
  EXPECT_EQ(harness.report().corrupt.front().begin, Lsn(kSegment));
  const auto seen = harness.consume(kDamagedStream, 1, next - 1);
  ASSERT_FALSE(seen.empty());
  EXPECT_GT(seen.front().sequence, 100U);
  EXPECT_EQ(seen.back().sequence, next - 1);
}

TEST(RecoveryCorruption, AMissingSegmentBehindTheSnapshotIsReported) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("state"), IsOk());
  harness.fill_to_segment(4);
  harness.close();
  ASSERT_THAT(harness.fs().remove(LogHarness::segment_path(2)), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  EXPECT_EQ(harness.report().corrupt.front().file, segment_name(2));
  EXPECT_EQ(harness.report().corrupt.front().reason, "the file is missing");
}

TEST(RecoveryCorruption, AnEmptiedSegmentInTheMiddleIsCorruption) {
  LogHarness harness;
  fill_segments(harness);
  const auto file = harness.fs().open(LogHarness::segment_path(2), runtime::OpenMode::kReadWrite);
  ASSERT_THAT((*file)->truncate(0), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_GE(harness.report().corrupt.size(), 1U);
  EXPECT_EQ(harness.report().corrupt.front().file, segment_name(2));
  EXPECT_EQ(harness.report().corrupt.front().begin, Lsn(2 * kSegment));
  EXPECT_EQ(harness.report().corrupt.back().end, Lsn(3 * kSegment));
  EXPECT_FALSE(harness.replayed().empty());
}

TEST(RecoveryCorruption, ATailThatCannotBeReadRefusesTheStart) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; i <= 10; ++i) harness.append_fact(i);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().kill();
  const auto before = harness.fs().contents(LogHarness::segment_path(1));
  // Header, then the scan: the window, and again its first block.
  harness.fs().fail({runtime::FileOperation::kRead, 2, EIO, "", 0});
  harness.fs().fail({runtime::FileOperation::kRead, 3, EIO, "", 0});
  EXPECT_THAT(harness.open(), HasCode(ErrorCode::kIo));
  EXPECT_EQ(*harness.fs().contents(LogHarness::segment_path(1)), *before);
  harness.fs().kill();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts().size(), 10U);
}

TEST(RecoveryCorruption, ScribblesNeverBreakRecovery) {
  LogHarness origin;
  const std::uint64_t last = fill_segments(origin);
  base::Prng prng(8);
  for (int round = 0; round < 300; ++round) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().kill();
    for (std::uint64_t i = 1 + prng.below(4); i > 0; --i) {
      const auto path = LogHarness::segment_path(1 + prng.below(3));
      const auto file = harness.fs().open(path, runtime::OpenMode::kReadWrite);
      std::vector<std::byte> noise(1 + prng.below(10'000));
      for (std::byte& byte : noise) byte = static_cast<std::byte>(prng.next());
      const std::uint64_t size = *(*file)->size();
      const std::uint64_t at = prng.below(size);
      noise.resize(std::min<std::size_t>(noise.size(), size - at));
      ASSERT_THAT((*file)->write_at(at, noise), IsOk());
    }
    const auto path = LogHarness::segment_path(1 + prng.below(3));
    const std::uint64_t fate = prng.below(12);
    if (fate == 0) {
      ASSERT_THAT(harness.fs().remove(path), IsOk());
    } else if (fate == 1) {
      const auto file = harness.fs().open(path, runtime::OpenMode::kReadWrite);
      ASSERT_THAT((*file)->truncate(prng.below(3) * 5'000), IsOk());
    }
    const auto verified = verify_log(harness.fs(), LogHarness::kFolder);
    if (!harness.open()) continue;  // for instance all three headers gone
    ASSERT_THAT(verified, IsOk());
    EXPECT_EQ(verified->end, harness.report().end) << round;
    EXPECT_EQ(verified->corrupt.size(), harness.report().corrupt.size()) << round;
    const auto seen = harness.consume(kDamagedStream, 1, last);
    for (const auto& one : seen) {
      if (!one.damaged) {
        EXPECT_EQ(one.body, test::body_of(one.sequence, 300));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::storage
