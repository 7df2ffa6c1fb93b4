#include "storage/open_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "storage/fact_codec.h"
#include "storage/record_codec.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using runtime::CrashPlan;
using runtime::OpenMode;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::bytes_of;
using test::LogHarness;
using testing::HasSubstr;

// Everything in the folder, to see that nothing was touched.
std::vector<std::pair<std::string, std::vector<std::byte>>> all_files(LogHarness& harness) {
  std::vector<std::pair<std::string, std::vector<std::byte>>> files;
  for (const std::string folder : {"/data/segments", "/data/snapshots"}) {
    for (const std::string& name : harness.names_in(folder)) {
      files.emplace_back(name, *harness.fs().contents(folder + "/" + name));
    }
  }
  return files;
}

void overwrite(LogHarness& harness, const std::string& path, std::uint64_t at,
               base::ByteView bytes) {
  const auto file = harness.fs().open(path, OpenMode::kReadWrite);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->write_at(at, bytes), IsOk());
  ASSERT_THAT((*file)->sync_data(), IsOk());
}

TEST(OpenLog, BeginsANewLog) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.report().created);
  EXPECT_FALSE(harness.report().unclean);
  EXPECT_FALSE(harness.report().log_id.is_zero());
  EXPECT_TRUE(harness.opened().broker_state().empty());
  const base::Id128 id = harness.report().log_id;
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_FALSE(harness.report().created);
  EXPECT_FALSE(harness.report().unclean);  // nothing was ever in it
  EXPECT_EQ(harness.report().log_id, id);
}

TEST(OpenLog, ACrashAnywhereInTheFirstStartIsNoObstacle) {
  for (std::uint64_t stop = 0; stop < 16; ++stop) {
    for (const bool keep : {false, true}) {
      LogHarness harness;
      harness.fs().stop_after(stop);
      const bool opened = harness.open().has_value();
      harness.close();
      harness.fs().crash(keep ? CrashPlan::keep_all() : CrashPlan::lose_unsynced());
      ASSERT_THAT(harness.open(), IsOk()) << "stopped after " << stop;
      if (opened) {
        EXPECT_FALSE(harness.report().created);
      }
      harness.append_fact(1);
      ASSERT_THAT(harness.log().flush(), IsOk());
    }
  }
}

TEST(OpenLog, ASecondBrokerIsRefusedAndToldWhoHoldsTheFolder) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  const auto second = open_log(harness.fs(), LogHarness::kFolder, harness.options());
  ASSERT_THAT(second, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(second.error().message(), HasSubstr("pid 1 on test"));
  harness.close();
  EXPECT_THAT(harness.open(), IsOk());
}

TEST(OpenLog, OptionsAreChecked) {
  LogHarness harness;
  LogOptions options = harness.options();
  options.segment_bytes = 5'000;
  EXPECT_THAT(open_log(harness.fs(), "/data", options), HasCode(ErrorCode::kInvalidArgument));
  options = harness.options();
  options.random_id = nullptr;
  EXPECT_THAT(open_log(harness.fs(), "/data", options), HasCode(ErrorCode::kInvalidArgument));
}

TEST(OpenLog, ACleanStopIsKnown) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("the end", true), IsOk());
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_FALSE(harness.report().unclean);
    EXPECT_TRUE(harness.replayed().empty());
    EXPECT_EQ(harness.report().rewritten_bytes, 0U);
    EXPECT_EQ(harness.opened().broker_state(), bytes_of("the end"));
    harness.close();
  }
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(2);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.report().unclean);
  EXPECT_EQ(harness.replayed_facts(), std::vector<std::uint64_t>{2});
}

TEST(OpenLog, ACleanStopAtASegmentsEndIsKnown) {
  // Records of all sizes up to the last byte of a segment.
  for (std::size_t left = 0; left <= 96; left += 8) {
    LogHarness harness;
    ASSERT_THAT(harness.open(), IsOk());
    const std::size_t room = 64 * 1024 - 4096 - left;
    std::size_t head = room;
    while (record_bytes(head, 0) > room) --head;
    harness.log().append(RecordType::kSettled, std::vector<std::byte>(head), {}, true);
    ASSERT_THAT(harness.snapshot("x", true), IsOk());
    harness.close();
    harness.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness.open(), IsOk()) << "left " << left;
    EXPECT_FALSE(harness.report().unclean) << "left " << left;
    harness.append_fact(1);
    harness.append_fact(2);
    ASSERT_THAT(harness.log().flush(), IsOk());
    harness.close();
    harness.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness.open(), IsOk()) << "left " << left;
    EXPECT_EQ(harness.replayed_facts(), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_TRUE(harness.report().corrupt.empty());
  }
}

TEST(OpenLog, ReplaysWhatFollowsTheSnapshot) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.append_fact(2);
  harness.append_fact(3);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.opened().broker_state(), bytes_of("one"));
  EXPECT_EQ(harness.replayed_facts(), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(harness.report().records, 2U);
}

TEST(OpenLog, AnErrorOfTheReplayIsHandedOn) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  auto opened = open_log(harness.fs(), LogHarness::kFolder, harness.options());
  ASSERT_THAT(opened, IsOk());
  const auto status = (*opened)->replay(
      [](const RecordView&) -> base::Status { return base::corruption("contradiction"); });
  EXPECT_THAT(status, HasCode(ErrorCode::kCorruption));
}

class BadSnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(harness_.open(), IsOk());
    harness_.append_fact(1);
    ASSERT_THAT(harness_.snapshot("one"), IsOk());
    harness_.append_fact(2);
    ASSERT_THAT(harness_.snapshot("two"), IsOk());
    harness_.append_fact(3);
    ASSERT_THAT(harness_.log().flush(), IsOk());
    harness_.close();
    names_ = harness_.names_in("/data/snapshots");
    ASSERT_EQ(names_.size(), 2U);
  }
  void spoil(std::size_t which) {
    harness_.fs().flip_bit("/data/snapshots/" + names_[which], 130, 1);
  }

  LogHarness harness_;
  std::vector<std::string> names_;
};

TEST_F(BadSnapshotTest, ABadNewestOneMeansTheOlderOneAndALongerReplay) {
  spoil(1);
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_EQ(harness_.opened().broker_state(), bytes_of("one"));
  EXPECT_EQ(harness_.replayed_facts(), (std::vector<std::uint64_t>{2, 3}));
  ASSERT_EQ(harness_.report().bad_snapshots.size(), 1U);
  EXPECT_THAT(harness_.report().bad_snapshots.front(), HasSubstr(names_[1]));
  // It is kept, under another name, and two good ones come to be again.
  EXPECT_THAT(harness_.names_in("/data/snapshots"), testing::Contains(names_[1] + ".bad"));
  ASSERT_THAT(harness_.snapshot("three"), IsOk());
  harness_.close();
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_EQ(harness_.opened().broker_state(), bytes_of("three"));
  EXPECT_TRUE(harness_.report().bad_snapshots.empty());
}

TEST_F(BadSnapshotTest, WithBothBadAWholeLogIsReplayedFromItsBegin) {
  spoil(0);
  spoil(1);
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_TRUE(harness_.opened().broker_state().empty());
  EXPECT_EQ(harness_.replayed_facts(), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(harness_.report().bad_snapshots.size(), 2U);
}

TEST(OpenLog, WithBothSnapshotsBadAndTheBeginDroppedNothingIsMadeUp) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fill_to_segment(3);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.fill_to_segment(4);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  ASSERT_EQ(harness.housekeeper().drop_dead_segments([](auto&&...) { return false; }), 2U);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  harness.close();
  for (const std::string& name : harness.names_in("/data/snapshots")) {
    harness.fs().flip_bit("/data/snapshots/" + name, 130, 1);
  }
  const auto before = all_files(harness);
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(status.error().message(), HasSubstr("no snapshot is intact"));
  EXPECT_THAT(status.error().message(), HasSubstr("0000000000000001.log"));
  EXPECT_EQ(all_files(harness), before);
  // The same where the snapshots are gone.
  for (const std::string& name : harness.names_in("/data/snapshots")) {
    ASSERT_THAT(harness.fs().remove("/data/snapshots/" + name), IsOk());
  }
  EXPECT_THAT(harness.open(), HasCode(ErrorCode::kFailedPrecondition));
}

TEST(OpenLog, SnapshotsWithoutALogAreNoEmptyLog) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.close();
  ASSERT_THAT(harness.fs().remove(LogHarness::segment_path(1)), IsOk());
  const auto before = all_files(harness);
  EXPECT_THAT(harness.open(), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(all_files(harness), before);
}

TEST(OpenLog, ANewerLogIsRefusedAndLeftUntouched) {
  LogHarness origin;
  ASSERT_THAT(origin.open(), IsOk());
  origin.append_fact(1);
  ASSERT_THAT(origin.log().flush(), IsOk());
  const std::uint64_t end = origin.log().positions().appended.value() - 64 * 1024;
  const std::vector<std::byte> segment = *origin.fs().contents(LogHarness::segment_path(1));
  const std::uint32_t uuid = base::load<std::uint32_t>(segment.data() + 40);
  origin.close();

  const auto with_record = [&](RecordType type, const std::vector<std::byte>& head) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().kill();
    std::vector<std::byte> record(record_bytes(head.size(), 0));
    encode_record(type, head, {}, {uuid, Lsn(64 * 1024 + end), Lsn(64 * 1024 + end)},
                  record.data());
    overwrite(harness, LogHarness::segment_path(1), end, record);
    const auto before = all_files(harness);
    const base::Status status = harness.open();
    if (!status) {
      EXPECT_EQ(all_files(harness), before);
    }
    return status;
  };
  const auto unknown = with_record(static_cast<RecordType>(99), bytes_of("?"));
  ASSERT_THAT(unknown, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(unknown.error().message(), HasSubstr("type 99"));
  EXPECT_THAT(with_record(RecordType::kDedupIds, bytes_of("?")),
              HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(with_record(static_cast<RecordType>(200), bytes_of("?")), IsOk());
  std::vector<std::byte> level;
  encode(FeatureLevelFact{kFeatureLevelSupported + 1}, level);
  EXPECT_THAT(with_record(RecordType::kFeatureLevel, level),
              HasCode(ErrorCode::kFailedPrecondition));
  level.clear();
  encode(FeatureLevelFact{kFeatureLevelSupported}, level);
  EXPECT_THAT(with_record(RecordType::kFeatureLevel, level), IsOk());

  LogHarness harness;
  harness.use(origin.fs().clone());
  harness.fs().kill();
  auto header = *harness.fs().contents(LogHarness::segment_path(1));
  header.resize(kSegmentHeaderBytes);
  base::store(header.data() + 8, kFormatVersion + 1);
  base::store(header.data() + 124, base::crc32c(base::ByteView(header).first(124)));
  overwrite(harness, LogHarness::segment_path(1), 0, header);
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(status.error().message(), HasSubstr("format version 2"));
}

TEST(OpenLog, ADiskThatIsTooSmallForANewLogIsRefusedAtOnce) {
  LogHarness harness;
  harness.fs().set_capacity(4 * 64 * 1024);  // the lock file takes a sector of it
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kResourceExhausted));
  EXPECT_THAT(status.error().message(), HasSubstr("needs at least 4 segments of 65536 B"));
  EXPECT_TRUE(harness.names_in("/data/segments").empty());
  harness.fs().set_capacity(4 * 64 * 1024 + 4096);
  ASSERT_THAT(harness.open(), IsOk());
  harness.fs().set_capacity(1);  // an existing log starts: it has to be drained
  EXPECT_THAT(harness.open(), IsOk());
}

TEST(OpenLog, SegmentsOfAnotherLogAreRefused) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fill_to_segment(2);
  harness.close();
  LogHarness other(64 * 1024, 99);
  ASSERT_THAT(other.open(), IsOk());
  other.fill_to_segment(2);
  other.close();
  overwrite(harness, LogHarness::segment_path(2), 0,
            *other.fs().contents(LogHarness::segment_path(2)));
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(status.error().message(), HasSubstr("another log"));
}

TEST(OpenLog, EmptyLastFilesAreFine) {
  LogHarness origin;
  ASSERT_THAT(origin.open(), IsOk());
  origin.append_fact(1);
  ASSERT_THAT(origin.log().flush(), IsOk());
  origin.close();
  for (const std::size_t zeros : {0U, 13U, 5'000U, 64U * 1024}) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().kill();
    const auto file = harness.fs().open(LogHarness::segment_path(2), OpenMode::kCreate);
    ASSERT_THAT((*file)->write_at(0, std::vector<std::byte>(zeros)), IsOk());
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.replayed_facts(), std::vector<std::uint64_t>{1});
    EXPECT_TRUE(harness.report().corrupt.empty());
    EXPECT_THAT(harness.fs().open(LogHarness::segment_path(2), OpenMode::kRead),
                HasCode(ErrorCode::kNotFound));
    harness.fill_to_segment(3);
  }
  // The same without anything before it.
  LogHarness empty;
  ASSERT_THAT(empty.fs().create_folder("/data/segments"), IsOk());
  ASSERT_THAT(empty.fs().open(LogHarness::segment_path(1), OpenMode::kCreate), IsOk());
  ASSERT_THAT(empty.open(), IsOk());
  EXPECT_TRUE(empty.report().created);
}

TEST(OpenLog, AForeignLastFileIsSetAside) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  const auto file = harness.fs().open(LogHarness::segment_path(2), OpenMode::kCreate);
  ASSERT_THAT((*file)->write_at(0, bytes_of("not a segment")), IsOk());
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_EQ(harness.report().corrupt.size(), 1U);
  EXPECT_THAT(harness.fs().contents(LogHarness::segment_path(2) + ".orphan"), IsOk());
  harness.fill_to_segment(3);
  EXPECT_THAT(harness.fs().contents(LogHarness::segment_path(2) + ".orphan"), IsOk());
}

TEST(OpenLog, ALogOfNonsenseIsRefused) {
  LogHarness harness;
  ASSERT_THAT(harness.fs().create_folder("/data/segments"), IsOk());
  const auto file = harness.fs().open(LogHarness::segment_path(1), OpenMode::kCreate);
  ASSERT_THAT((*file)->write_at(0, bytes_of("precious")), IsOk());
  EXPECT_THAT(harness.open(), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(harness.fs().contents(LogHarness::segment_path(1)), IsOk());
}

TEST(OpenLog, WithoutRoomForRecoveryThePoolGivesAFile) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fill_to_segment(2);
  for (int i = 0; i < 400; ++i) harness.append_fact(1);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  ASSERT_EQ(harness.log().pool().ready(), 1U);
  const auto kill_with_an_unsynced_end = [&](std::uint64_t number) {
    for (int i = 0; i < 20; ++i) harness.append_fact(number, false);
    ASSERT_THAT(harness.log().flush(), IsOk());
    harness.close();
    harness.fs().kill();
  };
  kill_with_an_unsynced_end(2);
  harness.fs().set_capacity(1);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts().back(), 2U);
  EXPECT_EQ(harness.log().pool().ready(), 0U);
  kill_with_an_unsynced_end(3);
  EXPECT_THAT(harness.open(), HasCode(ErrorCode::kResourceExhausted));  // there is no other
  harness.fs().kill();
  harness.fs().set_capacity(0);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts().back(), 3U);
}

}  // namespace
}  // namespace sluice::storage
