#include "storage/space_reserve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"
#include "tests/unit/storage/side_harness.h"

// A full disk: what was taken in time is enough.
namespace sluice::storage {
namespace {

using base::ErrorCode;
using runtime::CrashPlan;
using runtime::FileOperation;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::LogHarness;
using test::side_key;
using test::SideHarness;
using test::stream_number;

constexpr std::uint64_t kPlenty = 64U << 20;

bool nothing_lives(const StreamId&, base::SequenceRange) { return false; }

// Others take every byte that is free.
void fill(runtime::MemoryFileSystem& fs) {
  fs.set_capacity(kPlenty);
  const auto space = fs.space("/");
  fs.set_capacity(std::max<std::uint64_t>(kPlenty - space->available_bytes, 1));
  ASSERT_LT(fs.space("/")->available_bytes, kBlockBytes);
}

// A log of five segments with its whole reserve, on a disk that is full.
class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    harness_.reserve_segments_max = 4;
    ASSERT_THAT(harness_.open(), IsOk());
    for (std::uint64_t first = 1; harness_.log().active_segment() < 5; first += 10) {
      harness_.publish(stream_number(1), first, 10, 500);
      ASSERT_THAT(harness_.housekeeper().run_inline(), IsOk());
    }
    ASSERT_TRUE(harness_.log().reserve().complete());
    fill(harness_.fs());
  }

  Housekeeper& keeper() { return harness_.housekeeper(); }

  // What the loop does, while somebody settles one message after the other.
  void settle_until_segment(std::uint64_t number) {
    for (std::uint64_t i = 0; harness_.log().active_segment() < number; ++i) {
      harness_.append_fact(i);
      ASSERT_THAT(harness_.log().flush(), IsOk());
      ASSERT_THAT(keeper().space(), IsOk());
      if (keeper().snapshot_due()) keeper().begin_snapshot(test::bytes_of("state"));
      if (i % 50 != 0) continue;
      ASSERT_THAT(keeper().run_inline(), IsOk());
      keeper().drop_dead_segments(nothing_lives);
      ASSERT_THAT(keeper().run_inline(), IsOk());
      fill(harness_.fs());
    }
  }

  LogHarness harness_;
};

TEST_F(FullDisk, SettlesGoOnForAsLongAsAnybodyLikes) {
  ASSERT_TRUE(keeper().space()->low);
  settle_until_segment(30);
  EXPECT_THAT(keeper().snapshot_status(), IsOk());
  EXPECT_GT(keeper().newest_snapshot(), base::Lsn(27 * 64 * 1024));
  harness_.close();
  harness_.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_TRUE(harness_.report().corrupt.empty());
}

TEST_F(FullDisk, SpaceThatReturnsMakesTheReserveWholeAndTheDiskNoLongerLow) {
  settle_until_segment(9);
  harness_.fs().set_capacity(kPlenty);
  ASSERT_THAT(keeper().space(), IsOk());
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_FALSE(keeper().space()->low);
  EXPECT_TRUE(harness_.log().reserve().complete());
}

TEST_F(FullDisk, AReserveThatCouldNotBeMadeWholeIsALowDisk) {
  settle_until_segment(6);
  ASSERT_TRUE(harness_.log().reserve().take());
  harness_.fs().set_capacity(kPlenty);
  ASSERT_THAT(keeper().space(), IsOk());
  harness_.fs().fail({FileOperation::kAllocate, 1, ENOSPC, "reserve/", 0});
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_TRUE(keeper().space()->low);
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_FALSE(keeper().space()->low);
}

TEST_F(FullDisk, ALargeSnapshotIsWrittenOverAFileOfTheReserve) {
  const std::string large(60'000 + 10'000, 's');
  harness_.append_fact(1);
  keeper().begin_snapshot(test::bytes_of(large));
  ASSERT_THAT(keeper().run_inline(), IsOk());
  ASSERT_THAT(keeper().snapshot_status(), HasCode(ErrorCode::kResourceExhausted));
  const std::size_t files = harness_.log().reserve().segments();
  ASSERT_GE(files, 1U);
  harness_.append_fact(2);
  keeper().begin_snapshot(test::bytes_of(std::string(62'000, 's')));
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_THAT(keeper().snapshot_status(), IsOk());
  EXPECT_EQ(harness_.log().reserve().segments(), files - 1);
}

TEST_F(FullDisk, AStartRewritesTheEndOfTheLogIntoTheReserve) {
  harness_.append_fact(7, false);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.close();
  harness_.fs().kill();
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_GT(harness_.report().rewritten_bytes, 0U);
  EXPECT_EQ(harness_.replayed_facts().back(), 7U);
  settle_until_segment(12);
}

TEST_F(FullDisk, AnUnfinishedSnapshotIsTheReserveOfTheNextStart) {
  harness_.append_fact(1);
  keeper().begin_snapshot(test::bytes_of("state"));
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.fs().stop_after(3);
  ASSERT_THAT(keeper().run_inline(), IsOk());
  ASSERT_FALSE(keeper().snapshot_status());
  harness_.close();
  harness_.fs().kill();
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_GT(harness_.log().reserve().snapshot_bytes(), 0U);
}

TEST(SpaceReserve, AFileThatWasNotNeededComesBack) {
  LogHarness harness;
  harness.reserve_segments_max = 4;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; harness.log().active_segment() < 3; ++i) {
    harness.append_fact(i);
    ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  }
  while (harness.log().pool().take()) {
  }
  const std::size_t files = harness.log().reserve().segments();
  ASSERT_GE(files, 3U);
  harness.fill_to_segment(4);
  EXPECT_EQ(harness.log().reserve().segments(), files);
}

TEST(SpaceReserve, AnIdleLogTakesNothing) {
  LogHarness harness(4U << 20);
  harness.reserve_segments_max = 4;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  EXPECT_EQ(harness.housekeeper().space()->reserve_bytes, 0U);
}

TEST(FullDiskOfASideIndex, PagesStayInMemoryUntilThereIsSpace) {
  SideHarness harness(32 * kSidePageBytes);
  ASSERT_THAT(harness.open(), IsOk());
  const auto put = [&](std::uint64_t first, std::uint64_t end, const char* value) {
    for (std::uint64_t i = first; i < end; ++i) harness.put(side_key(i * 7919), value);
  };
  put(0, 20'000, "before the disk was full");
  ASSERT_THAT(harness.snapshot(), IsOk());
  fill(harness.fs());
  put(10'000, 40'000, "on the full disk");
  ASSERT_THAT(harness.index().status(), IsOk());
  EXPECT_THAT(harness.snapshot(), HasCode(ErrorCode::kResourceExhausted));
  put(30'000, 50'000, "after a snapshot that failed");
  ASSERT_THAT(harness.index().status(), IsOk());
  const test::SideMap all = harness.contents();
  EXPECT_EQ(all.size(), 50'000U);
  harness.fs().set_capacity(0);
  harness.index().retry_writes();
  ASSERT_THAT(harness.snapshot(), IsOk());
  ASSERT_THAT(harness.snapshot(), IsOk());
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents(), all);
}

TEST(FullDiskOfASideIndex, PagesThatLeaveTheTreeWhileASnapshotFailsAreNotWrittenAgain) {
  SideHarness harness(64 * kSidePageBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 3'000; ++i) harness.put(side_key(i), "a value of some length");
  fill(harness.fs());
  const auto flush = harness.freeze();
  for (std::uint64_t i = 0; i < 3'000; i += 2) harness.erase(side_key(i));
  for (std::uint64_t i = 1'000; i < 2'000; ++i) harness.erase(side_key(i));
  const test::SideMap all = harness.contents();
  EXPECT_THAT(harness.keep(*flush), HasCode(ErrorCode::kResourceExhausted));
  EXPECT_EQ(harness.contents(), all);
  harness.fs().set_capacity(0);
  harness.index().retry_writes();
  for (int i = 0; i < 3; ++i) {
    harness.put(side_key(5'000), std::to_string(i));
    ASSERT_THAT(harness.snapshot(), IsOk());
  }
  const test::SideMap kept = harness.contents();
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.contents(), kept);
}

TEST(FullDiskOfASideIndex, SpaceThatWasTakenIsEnoughForASnapshot) {
  SideHarness harness(64 * kSidePageBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 0; i < 3'000; ++i) harness.put(side_key(i), "a value of some length");
  ASSERT_THAT(harness.snapshot(), IsOk());
  while (const auto work = harness.index().take_space()) {
    const base::Status status = work->run();
    ASSERT_THAT(status, IsOk());
    work->finish(status);
  }
  EXPECT_GE(harness.index().spare_bytes(), harness.index().spare_bytes_wanted());
  fill(harness.fs());
  for (std::uint64_t i = 0; i < 3'000; ++i) harness.put(side_key(i), "a value of other length");
  EXPECT_THAT(harness.snapshot(), IsOk());
}

}  // namespace
}  // namespace sluice::storage
