#include "storage/log_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "storage/log_dump.h"
#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

void fill(LogHarness& harness) {
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; harness.log().active_segment() < 3; ++i) {
    harness.publish(stream_number(1), i, 1, 700);
    ASSERT_THAT(harness.log().flush(), IsOk());
  }
  ASSERT_THAT(harness.snapshot("state"), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
}

TEST(LogVerify, AGoodLogBesideARunningBroker) {
  LogHarness harness;
  fill(harness);
  const std::uint64_t before = harness.fs().changing_operations();
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(harness.fs().changing_operations(), before);
  EXPECT_TRUE(report->ok());
  ASSERT_EQ(report->segments.size(), 3U);
  EXPECT_EQ(report->segments[0].state, SegmentState::kSealed);
  EXPECT_EQ(report->segments[2].state, SegmentState::kOpen);
  EXPECT_EQ(report->segments[0].first, Lsn(64 * 1024 + 4096));
  EXPECT_GT(report->segments[0].records, 50U);
  EXPECT_EQ(report->segments[2].end, harness.log().positions().appended);
  EXPECT_EQ(report->end, harness.log().positions().appended);
  EXPECT_EQ(report->tail_bytes, 0U);
  ASSERT_EQ(report->snapshots.size(), 1U);
  EXPECT_TRUE(report->snapshots[0].valid);
  EXPECT_EQ(report->log_id, harness.report().log_id);
}

TEST(LogVerify, CorruptionInTheOldestSegmentIsFound) {
  LogHarness harness;
  fill(harness);
  harness.fs().flip_bit(LogHarness::segment_path(1), 10'000, 4);
  const auto snapshots = harness.fs().list("/data/snapshots");
  harness.fs().flip_bit("/data/snapshots/" + snapshots->front(), 129, 1);
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->corrupt.size(), 1U);
  EXPECT_EQ(report->corrupt[0].file, segment_name(1));
  EXPECT_LE(report->corrupt[0].begin, Lsn(64 * 1024 + 10'000));
  EXPECT_GT(report->corrupt[0].end, Lsn(64 * 1024 + 10'000));
  EXPECT_FALSE(report->snapshots[0].valid);
  EXPECT_THAT(report->snapshots[0].reason, testing::HasSubstr("checksum"));
}

TEST(LogVerify, ATornTailIsNoCorruption) {
  LogHarness harness;
  fill(harness);
  harness.append_fact(2, false);
  harness.append_fact(3, false);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const std::uint64_t offset = harness.log().positions().durable.value() % (64 * 1024);
  harness.fs().flip_bit(LogHarness::segment_path(3), offset + 4, 0);
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->end, harness.log().positions().durable);
  EXPECT_GT(report->tail_bytes, 0U);
}

TEST(LogVerify, GoesOnBehindAHeaderThatCannotBeRead) {
  LogHarness harness;
  fill(harness);
  // The segment's size is known by the snapshot: the first read of the file is its header, and the
  // second one asks whether it is all zeros.
  harness.fs().fail({runtime::FileOperation::kRead, 1, EIO, "0000000000000002.log", 0});
  harness.fs().fail({runtime::FileOperation::kRead, 2, EIO, "0000000000000002.log", 0});
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->corrupt.size(), 1U);
  EXPECT_EQ(report->corrupt[0].file, segment_name(2));
  EXPECT_EQ(report->segments[1].state, SegmentState::kDamaged);
  EXPECT_GT(report->segments[1].records, 0U);
  EXPECT_EQ(report->end, harness.log().positions().durable);
}

TEST(LogVerify, ATailThatCannotBeReadIsNone) {
  LogHarness harness;
  fill(harness);
  harness.append_fact(2, false);
  ASSERT_THAT(harness.log().flush(), IsOk());
  const std::string last = segment_name(3);
  for (std::uint64_t nth = 2; nth <= 3; ++nth) {  // the scan: its window, and the first block again
    harness.fs().fail({runtime::FileOperation::kRead, nth, EIO, last, 0});
  }
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  EXPECT_FALSE(report->ok());
  EXPECT_EQ(report->tail_bytes, 0U);
}

TEST(LogVerify, AMissingSegmentIsCorruption) {
  LogHarness harness;
  fill(harness);
  ASSERT_THAT(harness.fs().remove(LogHarness::segment_path(1)), IsOk());
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->corrupt.size(), 1U);
  EXPECT_EQ(report->corrupt[0].reason, "the file is missing");
}

TEST(LogVerify, ADroppedSegmentIsNone) {
  LogHarness harness;
  fill(harness);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  ASSERT_GT(harness.housekeeper().drop_dead_segments([](auto&&...) { return false; }), 0U);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  const auto report = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->ok());
}

TEST(LogVerify, WithoutALogThereIsNothingToVerify) {
  LogHarness harness;
  EXPECT_THAT(verify_log(harness.fs(), "/nowhere"), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(dump_log(harness.fs(), "/nowhere", {}, [](const DumpRecord&) {}),
              HasCode(ErrorCode::kNotFound));
}

std::string field(const DumpRecord& record, const std::string& name) {
  for (const DumpField& one : record.fields) {
    if (one.name == name) return one.value;
  }
  return "none";
}

TEST(LogDump, TellsEveryRecord) {
  LogHarness harness;
  fill(harness);
  std::vector<DumpRecord> records;
  ASSERT_THAT(dump_log(harness.fs(), LogHarness::kFolder, {},
                       [&](const DumpRecord& record) { records.push_back(record); }),
              IsOk());
  ASSERT_GT(records.size(), 100U);
  EXPECT_EQ(records[0].type, RecordType::kMessages);
  EXPECT_EQ(field(records[0], "first"), "1");
  EXPECT_EQ(field(records[0], "count"), "1");
  EXPECT_EQ(field(records[1], "previous"), std::to_string(records[0].lsn.value()));
  EXPECT_EQ(records.back().type, RecordType::kQueueDeleted);
  for (const DumpRecord& record : records) EXPECT_TRUE(record.valid);

  std::vector<DumpRecord> later;
  const DumpOptions options{records[50].lsn, true};
  ASSERT_THAT(dump_log(harness.fs(), LogHarness::kFolder, options,
                       [&](const DumpRecord& record) { later.push_back(record); }),
              IsOk());
  EXPECT_EQ(later.front().lsn, records[50].lsn);
  EXPECT_FALSE(later.back().valid);  // the unused rest of the newest segment
  std::size_t padding = 0;
  for (const DumpRecord& record : later) {
    padding += record.valid && record.type == RecordType::kPadding ? 1 : 0;
  }
  EXPECT_EQ(padding, 2U);
}

}  // namespace
}  // namespace sluice::storage
