#include "storage/housekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using base::Sequence;
using base::SequenceRange;
using runtime::CrashPlan;
using runtime::FileOperation;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::bytes_of;
using test::LogHarness;
using test::stream_number;

const StreamId kOnlyStream = stream_number(1);

// Messages up to a segment; `next` goes on.
void publish_until(LogHarness& harness, std::uint64_t segment, std::uint64_t& next) {
  while (harness.log().active_segment() < segment) {
    harness.publish(kOnlyStream, next++, 1, 500);
    ASSERT_THAT(harness.log().flush(), IsOk());
  }
}

// A predicate: all messages from `first` on are alive.
Housekeeper::AnyLive alive_from(std::uint64_t first) {
  return [first](const StreamId&, SequenceRange range) { return range.last.value() >= first; };
}

TEST(Housekeeper, ASnapshotIsDueEveryFourSegments) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  harness.fill_to_segment(4);
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  harness.fill_to_segment(5);
  EXPECT_TRUE(harness.housekeeper().snapshot_due());
  harness.housekeeper().begin_snapshot(bytes_of("state"));
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  harness.fill_to_segment(9);
  harness.fill_to_segment(10);
  EXPECT_TRUE(harness.housekeeper().snapshot_due());
}

TEST(Housekeeper, ASnapshotIsDueAfterManyChangesOfTheSideIndex) {
  LogHarness harness;
  harness.snapshot_every_changes = 100;
  ASSERT_THAT(harness.open(), IsOk());
  const auto change = [&](int count) {
    for (int i = 0; i < count; ++i) {
      harness.opened().side_index().put(bytes_of("key"), bytes_of("value"));
    }
  };
  change(99);
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  change(1);
  EXPECT_TRUE(harness.housekeeper().snapshot_due());
  ASSERT_THAT(harness.snapshot("state"), IsOk());
  EXPECT_FALSE(harness.housekeeper().snapshot_due());
  change(100);
  EXPECT_TRUE(harness.housekeeper().snapshot_due());
}

TEST(Housekeeper, ASnapshotWaitsUntilItsPositionIsDurable) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1, false);
  harness.housekeeper().begin_snapshot(bytes_of("state"));
  EXPECT_TRUE(harness.housekeeper().snapshot_under_way());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  ASSERT_THAT(harness.log().flush(), IsOk());  // begin_snapshot asked for the sync
  const auto work = harness.housekeeper().take_background();
  ASSERT_TRUE(work);
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  work->finish(work->run());
  EXPECT_FALSE(harness.housekeeper().snapshot_under_way());
  EXPECT_THAT(harness.housekeeper().snapshot_status(), IsOk());
  EXPECT_EQ(harness.housekeeper().newest_snapshot(), harness.log().positions().appended);
}

TEST(Housekeeper, TwoSnapshotsAreKept) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; i <= 5; ++i) {
    harness.append_fact(i);
    ASSERT_THAT(harness.snapshot("state " + std::to_string(i)), IsOk());
    EXPECT_EQ(harness.names_in("/data/snapshots").size(), std::min<std::uint64_t>(i, 2));
  }
  // One more at the same position takes the place of its namesake.
  ASSERT_THAT(harness.snapshot("state 6"), IsOk());
  EXPECT_EQ(harness.names_in("/data/snapshots").size(), 2U);
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.opened().broker_state(), bytes_of("state 6"));
}

TEST(Housekeeper, ASnapshotWhoseRemovalWasLostGoesAtTheNextStart) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    harness.append_fact(i);
    ASSERT_THAT(harness.snapshot("state"), IsOk());
  }
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_EQ(harness.names_in("/data/snapshots").size(), 3U);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.names_in("/data/snapshots").size(), 2U);
}

TEST(Housekeeper, AFailedSnapshotHurtsNobody) {
  for (const FileOperation operation :
       {FileOperation::kCreate, FileOperation::kWrite, FileOperation::kSync, FileOperation::kRename,
        FileOperation::kSyncFolder}) {
    LogHarness harness;
    ASSERT_THAT(harness.open(), IsOk());
    harness.append_fact(1);
    ASSERT_THAT(harness.snapshot("one"), IsOk());
    harness.append_fact(2);
    ASSERT_THAT(harness.log().flush(), IsOk());
    harness.fs().fail({operation, 1, ENOSPC, "snapshots", 10});
    EXPECT_THAT(harness.snapshot("two"), testing::Not(IsOk()));
    EXPECT_THAT(harness.log().status(), IsOk());
    harness.append_fact(3);
    EXPECT_THAT(harness.snapshot("three"), IsOk());
    harness.close();
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.opened().broker_state(), bytes_of("three"));
  }
}

TEST(Housekeeper, ASnapshotKnowsSegmentsThatAreNotWrittenYet) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  // One group begins several segments, and no message is in them.
  for (std::uint64_t i = 2; harness.log().active_segment() < 5; ++i) harness.append_fact(i);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  EXPECT_EQ(harness.log().segments().numbers(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST(Housekeeper, OnlyDeadSegmentsBelowTheOlderSnapshotGo) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  Housekeeper& keeper = harness.housekeeper();
  std::uint64_t next = 1;
  publish_until(harness, 4, next);
  const auto nothing_lives = alive_from(next + 1'000);
  EXPECT_EQ(keeper.drop_dead_segments(nothing_lives), 0U);  // no snapshot
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  EXPECT_EQ(keeper.drop_dead_segments(nothing_lives), 0U);  // no older one
  publish_until(harness, 6, next);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  EXPECT_EQ(keeper.drop_dead_segments(alive_from(1)), 0U);  // all alive
  EXPECT_EQ(keeper.drop_dead_segments(
                nothing_lives,
                [](Lsn begin, Lsn) {
                  return begin == Lsn(2 * 64 * 1024);  // something else is needed there
                }),
            2U);
  EXPECT_EQ(harness.log().segments().numbers(), (std::vector<std::uint64_t>{2, 4, 5, 6}));
  EXPECT_EQ(keeper.drop_dead_segments(nothing_lives), 1U);
  EXPECT_EQ(keeper.drop_dead_segments(nothing_lives), 0U);
}

TEST(Housekeeper, AMiddleSegmentMayGo) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::uint64_t next = 1;
  publish_until(harness, 4, next);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  publish_until(harness, 5, next);
  ASSERT_THAT(harness.snapshot("three"), IsOk());
  const auto& ranges = harness.messages().message_index().ranges(2);
  ASSERT_EQ(ranges.size(), 1U);
  const SequenceRange dead = ranges.front().range;
  ASSERT_EQ(harness.housekeeper().drop_dead_segments(
                [&](const StreamId&, SequenceRange range) { return range != dead; }),
            1U);
  const auto check = [&] {
    const auto seen = harness.consume(kOnlyStream, 1, next - 1);
    ASSERT_EQ(seen.size(), next - 1 - dead.count());
    for (const auto& one : seen) {
      EXPECT_FALSE(one.damaged);
      EXPECT_FALSE(dead.contains(Sequence(one.sequence)));
    }
    const auto after = harness.messages().locate(kOnlyStream, dead.first);
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ((*after)->first, dead.last + 1);
  };
  check();
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  check();
  for (int i = 0; i < 2; ++i) {
    harness.close();
    harness.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_TRUE(harness.report().corrupt.empty());
    check();
  }
  ASSERT_THAT(harness.snapshot("four"), IsOk());
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.report().corrupt.empty());
  check();
}

TEST(Housekeeper, TheFileGoesOnlyWhenTheRecordThatSaysSoIsDurable) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::uint64_t next = 1;
  publish_until(harness, 3, next);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  while (const auto work = harness.housekeeper().take_background()) work->finish(work->run());
  ASSERT_EQ(harness.housekeeper().drop_dead_segments(alive_from(next)), 2U);
  EXPECT_FALSE(harness.housekeeper().idle());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  EXPECT_THAT(harness.fs().contents(LogHarness::segment_path(1)), IsOk());
  // And when what was to be sent from it is out: that may wait for the same commit.
  ASSERT_THAT(harness.log().flush(), IsOk());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  std::vector<std::byte> buffer;
  harness.opened().trim_memory();
  EXPECT_THAT(harness.log().read(Lsn(64 * 1024 + 4096), buffer), IsOk());
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  EXPECT_TRUE(harness.housekeeper().idle());
  EXPECT_THAT(harness.fs().contents(LogHarness::segment_path(1)), HasCode(ErrorCode::kNotFound));
  harness.opened().trim_memory();
  EXPECT_THAT(harness.log().read(Lsn(64 * 1024 + 4096), buffer), HasCode(ErrorCode::kNotFound));
}

TEST(Housekeeper, DeadFilesArePooledUpToALimit) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fill_to_segment(7);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  const std::size_t before = harness.log().pool().ready();
  ASSERT_EQ(harness.housekeeper().drop_dead_segments(alive_from(1)), 6U);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  EXPECT_GE(harness.log().pool().ready(), before);
  EXPECT_EQ(harness.log().pool().ready(), 4U);
  EXPECT_EQ(harness.names_in("/data/segments").size(), 5U);
  const std::uint64_t creates = harness.fs().operations(FileOperation::kCreate);
  harness.fill_to_segment(11);
  EXPECT_EQ(harness.fs().operations(FileOperation::kCreate), creates);
  EXPECT_EQ(harness.log().pool().ready(), 0U);
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.report().corrupt.empty());
  // Nobody above storage sees the record of the deletion.
  EXPECT_EQ(harness.replayed_facts().size() + 1, harness.report().records);
}

TEST(Housekeeper, ThePoolIsFilledInSlicesWhenTheSegmentFillsUp) {
  LogHarness harness(4U << 20);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);  // nobody writes
  while (harness.log().active_fill() < 0.3) {
    harness.publish(kOnlyStream, harness.log().positions().appended.value(), 1, 100'000);
  }
  ASSERT_THAT(harness.log().flush(), IsOk());
  int slices = 0;
  while (const auto work = harness.housekeeper().take_background()) {
    EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
    work->finish(work->run());
    ++slices;
  }
  EXPECT_EQ(slices, 4);
  EXPECT_EQ(harness.log().pool().ready(), 1U);
  EXPECT_EQ(harness.names_in("/data/segments").back(), "free-0000000000000001.seg");
}

TEST(Housekeeper, APoolThatCannotBeFilledIsNoFault) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  while (harness.log().active_fill() < 0.5) harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.fs().fail({FileOperation::kWrite, 1, ENOSPC, "free-", 0});
  const auto work = harness.housekeeper().take_background();
  ASSERT_TRUE(work);
  work->finish(work->run());
  EXPECT_THAT(harness.log().status(), IsOk());
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);
  EXPECT_EQ(harness.names_in("/data/segments").size(), 1U);
  harness.log().pool().retry();
  EXPECT_NE(harness.housekeeper().take_background(), nullptr);
}

// A queue that was drained on a full disk: nothing new comes, so no snapshot would ever be due.
TEST(Housekeeper, TwoEarlySnapshotsFreeWhatIsDead) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  Housekeeper& keeper = harness.housekeeper();
  std::uint64_t next = 1;
  publish_until(harness, 4, next);
  const auto nothing_lives = alive_from(next);
  EXPECT_FALSE(keeper.snapshot_would_free(alive_from(1)));
  for (int snapshot = 0; snapshot < 2; ++snapshot) {
    EXPECT_FALSE(keeper.snapshot_due());
    ASSERT_TRUE(keeper.snapshot_would_free(nothing_lives));
    ASSERT_THAT(harness.snapshot("state"), IsOk());
  }
  EXPECT_EQ(keeper.drop_dead_segments(nothing_lives), 3U);
  EXPECT_FALSE(keeper.snapshot_would_free(nothing_lives));
  ASSERT_THAT(keeper.run_inline(), IsOk());
  harness.close();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().segments().numbers(), (std::vector<std::uint64_t>{4}));
}

TEST(Housekeeper, FilesOfThePoolAreSpace) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fs().set_capacity(100'000);
  ASSERT_TRUE(harness.housekeeper().space()->low);
  EXPECT_EQ(harness.housekeeper().take_background(), nullptr);  // it makes none where all is short
  SegmentPool& pool = harness.log().pool();
  for (int file = 0; file < 2; ++file) pool.add(*pool.reserve_name(), true);
  EXPECT_FALSE(harness.housekeeper().space()->low);
}

TEST(Housekeeper, WhatIsNotWrittenYetIsNoSpace) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fs().set_capacity(2'000'000);
  const auto before = harness.housekeeper().space();
  ASSERT_FALSE(before->low);
  harness.fs().set_capacity(2'000'000 - (before->disk.available_bytes - before->mark_bytes));
  ASSERT_FALSE(harness.housekeeper().space()->low);
  harness.append_fact(1);
  EXPECT_TRUE(harness.housekeeper().space()->low);
}

TEST(Housekeeper, SpaceIsLookedAtAgainWhenMuchWasAppended) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_THAT(harness.housekeeper().space(), IsOk());
  harness.append_fact(1);
  EXPECT_FALSE(harness.housekeeper().space_stale());
  harness.publish(test::stream_number(1), 1, 10, 1'000);
  EXPECT_TRUE(harness.housekeeper().space_stale());
  ASSERT_THAT(harness.housekeeper().space(), IsOk());
  EXPECT_FALSE(harness.housekeeper().space_stale());
}

TEST(Housekeeper, LowSpaceBeginsAtItsMark) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.fs().set_capacity(10U << 20);
  const auto plenty = harness.housekeeper().space();
  ASSERT_THAT(plenty, IsOk());
  EXPECT_EQ(plenty->mark_bytes, (10U << 20) / 20);
  EXPECT_FALSE(plenty->low);
  harness.fs().set_capacity(400'000);
  const auto scarce = harness.housekeeper().space();
  EXPECT_EQ(scarce->mark_bytes, 2 * 64U * 1024);
  harness.fs().set_capacity(100'000);
  EXPECT_TRUE(harness.housekeeper().space()->low);
}

// Snapshots, deletions and pool work, cut off after every single operation: nothing that lives is
// lost, nothing that was dropped comes back, nothing is called corrupt.
TEST(Housekeeper, ACrashAtAnyStepOfDeletionAndSnapshotIsHarmless) {
  for (std::uint64_t stop = 1;; ++stop) {
    LogHarness harness;
    ASSERT_THAT(harness.open(), IsOk());
    std::uint64_t next = 1;
    publish_until(harness, 4, next);
    ASSERT_THAT(harness.snapshot("1"), IsOk());
    publish_until(harness, 5, next);
    ASSERT_THAT(harness.snapshot("2"), IsOk());
    const std::uint64_t live_from =
        harness.messages().message_index().ranges(3).front().range.first.value();
    std::uint64_t acknowledged = next - 1;
    harness.fs().stop_after(stop);
    bool dropped = false;
    const bool done = [&] {
      harness.housekeeper().drop_dead_segments(alive_from(live_from));
      if (!harness.log().flush()) return false;
      dropped = true;
      if (!harness.housekeeper().run_inline()) return false;
      for (int i = 0; i < 100; ++i) harness.publish(kOnlyStream, next++, 1, 500);
      if (!harness.log().flush()) return false;
      acknowledged = next - 1;
      return harness.snapshot("3").has_value() && harness.housekeeper().idle();
    }();
    for (const int fate : {0, 1, 2}) {
      LogHarness after;
      after.use(harness.fs().clone());
      base::Prng prng(stop);
      CrashPlan plan = fate == 0 ? CrashPlan::lose_unsynced() : CrashPlan::keep_all();
      if (fate == 2) {
        plan = CrashPlan::keep_prefix(prng.below(harness.fs().unsynced_bytes() + 1));
        plan.keep_folder_changes(prng.below(harness.fs().unsynced_folder_changes().size() + 1));
      }
      after.fs().crash(plan);
      for (int again = 0; again < 2; ++again) {
        ASSERT_THAT(after.open(), IsOk()) << "stopped after " << stop;
        EXPECT_TRUE(after.report().corrupt.empty());
        EXPECT_TRUE(after.report().bad_snapshots.empty());
        const auto seen = after.consume(kOnlyStream, live_from, acknowledged);
        ASSERT_EQ(seen.size(), acknowledged - live_from + 1);
        for (const auto& one : seen) EXPECT_EQ(one.body, test::body_of(one.sequence, 500));
        if (dropped) {
          EXPECT_EQ(after.consume(kOnlyStream, 1, live_from - 1).size(), 0U);
        }
        ASSERT_THAT(after.housekeeper().run_inline(), IsOk());
        after.close();
        after.fs().crash(CrashPlan::lose_unsynced());
      }
    }
    if (done) break;
  }
}

}  // namespace
}  // namespace sluice::storage
