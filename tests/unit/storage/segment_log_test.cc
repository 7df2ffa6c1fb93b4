#include "storage/segment_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using runtime::FileFault;
using runtime::FileOperation;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::bytes_of;
using test::LogHarness;

std::string payload_of(const base::Result<RecordView>& view) {
  return view ? std::string(base::as_text(view->payload)) : view.error().to_string();
}

class SegmentLogTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  Appended append(std::string_view text, bool needs_sync = true) {
    return log().append(RecordType::kSettled, bytes_of(text), {}, needs_sync);
  }
  SegmentLog& log() { return harness_.log(); }

  LogHarness harness_;
  std::vector<std::byte> buffer_;
};

TEST_F(SegmentLogTest, PositionsMoveWithTheGroup) {
  const Lsn begin = log().positions().appended;
  EXPECT_EQ(begin, Lsn(64 * 1024 + 4096));
  const Appended record = append("a");
  EXPECT_EQ(record.begin, begin);
  EXPECT_EQ(log().positions().appended, record.end);
  EXPECT_EQ(log().positions().written, begin);
  EXPECT_EQ(log().unwritten_bytes(), record.end - record.begin);

  const auto group = log().take_group();
  ASSERT_TRUE(group);
  EXPECT_EQ(log().take_group(), nullptr);  // one at a time
  const Appended next = append("b");
  group->finish(group->run());
  EXPECT_EQ(log().positions().written, record.end);
  EXPECT_EQ(log().positions().durable, record.end);
  EXPECT_EQ(log().positions().appended, next.end);
  ASSERT_THAT(log().flush(), IsOk());
  EXPECT_EQ(log().positions().durable, next.end);
  EXPECT_EQ(log().unwritten_bytes(), 0U);
  EXPECT_EQ(log().take_group(), nullptr);
}

TEST_F(SegmentLogTest, AGroupIsSyncedOnlyWhereARecordAsksForIt) {
  const std::uint64_t before = harness_.fs().operations(FileOperation::kSync);
  const Appended record = append("a", false);
  ASSERT_THAT(log().flush(), IsOk());
  EXPECT_EQ(harness_.fs().operations(FileOperation::kSync), before);
  EXPECT_EQ(log().positions().written, record.end);
  EXPECT_LT(log().positions().durable, record.end);

  log().request_sync();
  ASSERT_THAT(log().flush(), IsOk());
  EXPECT_EQ(harness_.fs().operations(FileOperation::kSync), before + 1);
  EXPECT_EQ(log().positions().durable, record.end);
  log().request_sync();
  EXPECT_EQ(log().take_group(), nullptr);  // nothing to sync
}

TEST_F(SegmentLogTest, OneSyncCommitsAllThatCameMeanwhile) {
  const std::uint64_t before = harness_.fs().operations(FileOperation::kSync);
  append("first");
  const auto group = log().take_group();
  for (int i = 0; i < 100; ++i) append("more");
  group->finish(group->run());
  const auto next = log().take_group();
  next->finish(next->run());
  EXPECT_EQ(log().positions().durable, log().positions().appended);
  EXPECT_EQ(harness_.fs().operations(FileOperation::kSync), before + 2);
}

TEST_F(SegmentLogTest, RecordsAreReadableWhereverTheyAre) {
  const Appended first = append("in the file");
  ASSERT_THAT(log().flush(), IsOk());
  const Appended second = append("in flight");
  const auto group = log().take_group();
  const Appended third = append("not yet taken");
  EXPECT_EQ(payload_of(log().read(first.begin, buffer_)), "in the file");
  EXPECT_EQ(payload_of(log().read(second.begin, buffer_)), "in flight");
  EXPECT_EQ(payload_of(log().read(third.begin, buffer_)), "not yet taken");
  group->finish(group->run());
  ASSERT_THAT(log().flush(), IsOk());
  log().trim_memory();
  EXPECT_EQ(log().memory_bytes(), 0U);
  EXPECT_EQ(payload_of(log().read(first.begin, buffer_)), "in the file");
  EXPECT_EQ(payload_of(log().read(third.begin, buffer_)), "not yet taken");
  EXPECT_THAT(log().read(third.begin + 8, buffer_), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(log().read(third.end, buffer_), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(log().read(Lsn(9'999'999), buffer_), HasCode(ErrorCode::kNotFound));
}

TEST_F(SegmentLogTest, ALargeRecordIsReadBack) {
  LogHarness harness(1U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  const std::vector<std::byte> head(100, std::byte{7});
  std::vector<std::byte> tail(kRecordBytesMax - head.size());
  for (std::size_t i = 0; i < tail.size(); ++i) tail[i] = static_cast<std::byte>(i * 31);
  std::vector<Appended> records;
  for (int i = 0; i < 10; ++i) {
    records.push_back(harness.log().append(RecordType::kSettled, head, tail, true));
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (const Appended& record : records) {
      const auto view = harness.log().read(record.begin, buffer_);
      ASSERT_THAT(view, IsOk());
      EXPECT_TRUE(std::ranges::equal(view->payload.first(100), head));
      EXPECT_TRUE(std::ranges::equal(view->payload.subspan(100), tail));
    }
    ASSERT_THAT(harness.log().flush(), IsOk());
    harness.log().trim_memory();
  }
}

TEST_F(SegmentLogTest, RollsIntoNewSegmentsAndReadsAcrossThem) {
  std::vector<Appended> records;
  for (int i = 0; i < 3'000; ++i) {
    records.push_back(append("record " + std::to_string(i), i % 3 == 0));
    if (i % 50 == 49) {
      ASSERT_THAT(log().flush(), IsOk());
    }
  }
  ASSERT_THAT(log().flush(), IsOk());
  EXPECT_GT(log().active_segment(), 2U);
  log().trim_memory();
  for (int i = 0; i < 3'000; ++i) {
    const auto view = log().read(records[static_cast<std::size_t>(i)].begin, buffer_);
    EXPECT_EQ(payload_of(view), "record " + std::to_string(i));
    EXPECT_EQ(view->end, records[static_cast<std::size_t>(i)].end);
  }
}

TEST_F(SegmentLogTest, SeveralRollsMayFallIntoOneGroup) {
  const std::string text(1'000, 'x');
  std::vector<Appended> records;
  for (int i = 0; i < 300; ++i) records.push_back(append(text, false));
  const auto group = log().take_group();
  group->finish(group->run());
  EXPECT_EQ(log().positions().written, records.back().end);
  // Segments before the active one were synced on the way.
  EXPECT_EQ(log().positions().durable.value() / log().segment_bytes(), log().active_segment());
  log().trim_memory();
  for (const Appended& record : records) {
    EXPECT_EQ(payload_of(log().read(record.begin, buffer_)), text);
  }
}

TEST_F(SegmentLogTest, ARecordMayFillASegmentToTheLastByte) {
  const std::size_t room = 64 * 1024 - 4096;
  for (const std::size_t left : {0U, 8U, 24U, 32U, 40U}) {
    LogHarness harness;
    ASSERT_THAT(harness.open(), IsOk());
    std::size_t head = room - left;
    while (record_bytes(head, 0) > room - left) --head;
    harness.log().append(RecordType::kSettled, std::vector<std::byte>(head), {}, true);
    harness.append_fact(1);
    ASSERT_THAT(harness.log().flush(), IsOk());
    EXPECT_EQ(harness.log().active_segment(), left < 64 ? 2U : 1U);
    harness.fs().kill();
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_TRUE(harness.report().corrupt.empty()) << "left " << left;
    EXPECT_EQ(harness.replayed().size(), 2U);
  }
}

class DeadLogTest : public SegmentLogTest, public testing::WithParamInterface<FileFault> {};

TEST_P(DeadLogTest, AnyFailedWriteOrSyncIsTheEnd) {
  const Appended good = append("good");
  ASSERT_THAT(log().flush(), IsOk());
  const LogPositions before = log().positions();
  harness_.fs().fail(GetParam());
  for (int i = 0; i < 2'000; ++i) append("doomed, in two segments");
  EXPECT_THAT(log().flush(), testing::Not(IsOk()));
  EXPECT_THAT(log().status(), testing::Not(IsOk()));
  EXPECT_THAT(log().status().error().message(), testing::HasSubstr("the log is dead"));
  EXPECT_EQ(log().positions().durable, before.durable);
  append("too late");
  EXPECT_EQ(log().take_group(), nullptr);
  EXPECT_THAT(log().read(good.begin, buffer_), testing::Not(IsOk()));
  EXPECT_THAT(harness_.messages().locate(test::stream_number(1), base::Sequence(1)),
              testing::Not(IsOk()));
  EXPECT_EQ(harness_.housekeeper().take_background(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Faults, DeadLogTest,
                         testing::Values(FileFault{FileOperation::kWrite, 1, EIO, "", 0},
                                         FileFault{FileOperation::kWrite, 1, ENOSPC, "", 100},
                                         FileFault{FileOperation::kWrite, 2, EIO, "", 0},
                                         FileFault{FileOperation::kSync, 1, EIO, "", 0},
                                         FileFault{FileOperation::kSync, 2, EIO, "", 0},
                                         FileFault{FileOperation::kSync, 3, EIO, "", 0},
                                         FileFault{FileOperation::kCreate, 1, ENOSPC, "", 0},
                                         FileFault{FileOperation::kRename, 1, EIO, "", 0},
                                         FileFault{FileOperation::kSyncFolder, 1, EIO, "", 0}));

TEST_F(SegmentLogTest, AFailedSyncLosesNothingThatWasAcknowledged) {
  append("acknowledged");
  ASSERT_THAT(log().flush(), IsOk());
  harness_.fs().fail({FileOperation::kSync, 1, EIO, "", 0});
  append("never acknowledged");
  EXPECT_THAT(log().flush(), testing::Not(IsOk()));
  // The process restarts and finds both in the page cache; what it serves must not vanish later.
  harness_.close();
  harness_.fs().kill();
  ASSERT_THAT(harness_.open(), IsOk());
  const std::size_t served = harness_.replayed().size();
  EXPECT_EQ(served, 2U);
  harness_.close();
  harness_.fs().crash(runtime::CrashPlan::lose_unsynced());
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_EQ(harness_.replayed().size(), served);
}

TEST_F(SegmentLogTest, ADamagedBlockIsReportedWithPositionAndFile) {
  const Appended record = log().append(RecordType::kSettled, bytes_of("head"),
                                       std::vector<std::byte>(10'000, std::byte{1}), true);
  ASSERT_THAT(log().flush(), IsOk());
  log().trim_memory();
  harness_.fs().flip_bit(LogHarness::segment_path(1), 4096 + 32 + 24 + 4 + 5'000, 3);
  const auto view = log().read(record.begin, buffer_);
  ASSERT_THAT(view, HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(view.error().message(), testing::HasSubstr(std::to_string(record.begin.value())));
  EXPECT_THAT(view.error().message(), testing::HasSubstr("0000000000000001.log"));
  EXPECT_THAT(view.error().message(), testing::HasSubstr("block 1"));
}

TEST_F(SegmentLogTest, MemoryIsBoundedWhileItIsWritten) {
  LogHarness harness(8U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  const std::vector<std::byte> tail(200'000);
  for (int i = 0; i < 400; ++i) {
    harness.log().append(RecordType::kSettled, {}, tail, true);
    if (i % 5 == 0) {
      ASSERT_THAT(harness.log().flush(), IsOk());
    }
    EXPECT_LE(harness.log().memory_bytes(), 18U << 20);
  }
}

}  // namespace
}  // namespace sluice::storage
