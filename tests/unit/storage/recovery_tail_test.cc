#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thinning.h"
#include "tests/unit/storage/log_harness.h"

// What a power loss may leave of records that nobody was told are durable.
namespace sluice::storage {
namespace {

using base::Lsn;
using runtime::CrashPlan;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

std::vector<std::uint64_t> numbers(std::uint64_t last) {
  std::vector<std::uint64_t> all(last);
  std::iota(all.begin(), all.end(), 1);
  return all;
}

// Opens a crashed disk and checks what must hold: the first `acknowledged` facts are there, those
// that follow are a prefix of what was appended, and none of it is called corruption.
void expect_prefix(LogHarness& harness, std::uint64_t acknowledged, std::uint64_t appended) {
  ASSERT_THAT(harness.open(), IsOk());
  const auto facts = harness.replayed_facts();
  ASSERT_GE(facts.size(), acknowledged);
  ASSERT_LE(facts.size(), appended);
  EXPECT_EQ(facts, numbers(facts.size()));
  EXPECT_TRUE(harness.report().corrupt.empty());
  EXPECT_EQ(harness.report().unclean, !facts.empty());
}

// Recovering what recovery has left gives the same, also when the power fails right behind it.
void expect_stable(LogHarness& harness) {
  const auto facts = harness.replayed_facts();
  const Lsn end = harness.report().end;
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts(), facts);
  EXPECT_EQ(harness.report().end, end);
  EXPECT_TRUE(harness.report().corrupt.empty());
}

// And the log can be used: what is appended now is found by the next start, behind the rest.
void expect_usable(LogHarness& harness) {
  auto facts = harness.replayed_facts();
  harness.append_fact(facts.size() + 1);
  facts.push_back(facts.size() + 1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts(), facts);
}

TEST(RecoveryTail, ATornTailAtEveryByteOfTheLastGroup) {
  LogHarness origin;
  ASSERT_THAT(origin.open(), IsOk());
  for (std::uint64_t i = 1; i <= 5; ++i) origin.append_fact(i);
  ASSERT_THAT(origin.log().flush(), IsOk());
  for (std::uint64_t i = 6; i <= 12; ++i) origin.append_fact(i, false);
  ASSERT_THAT(origin.log().flush(), IsOk());
  const std::uint64_t unsynced = origin.fs().unsynced_bytes();
  ASSERT_GT(unsynced, 300U);
  for (std::uint64_t bytes = 0; bytes <= unsynced; ++bytes) {
    LogHarness harness;
    harness.use(origin.fs().clone());
    harness.fs().crash(CrashPlan::keep_prefix(bytes));
    expect_prefix(harness, 5, 12);
    if (bytes == unsynced) {
      EXPECT_EQ(harness.replayed_facts().size(), 12U);
    }
    expect_stable(harness);
    expect_usable(harness);
  }
}

// Records of a page and more, so that each lost sector hits others.
TEST(RecoveryTail, EverySubsetOfLostSectors) {
  LogHarness origin;
  ASSERT_THAT(origin.open(), IsOk());
  const StreamId stream = stream_number(1);
  origin.publish(stream, 1, 3, 500);
  ASSERT_THAT(origin.log().flush(), IsOk());
  const Lsn acknowledged = origin.log().positions().durable;
  std::uint64_t next = 4;
  for (const std::size_t body : {100U, 4'000U, 9'000U, 50U, 6'000U, 3'900U, 8'200U, 700U}) {
    origin.publish(stream, next++, 1, body, false);
  }
  ASSERT_THAT(origin.log().flush(), IsOk());
  const std::size_t sectors = origin.fs().unsynced_sectors().size();
  ASSERT_GE(sectors, 8U);
  ASSERT_LE(sectors, 11U);
  const std::uint64_t all = (1ULL << sectors) - 1;
  for (std::uint64_t taken = 0; taken <= all; taken += sluice::test::kStride) {
    const std::uint64_t mask = all - taken;
    std::vector<bool> kept(sectors);
    for (std::size_t i = 0; i < sectors; ++i) kept[i] = (mask >> i & 1) != 0;
    LogHarness harness;
    harness.use(origin.fs().clone());
    CrashPlan plan = CrashPlan::keep_sectors(kept);
    plan.sizes_kept = mask % 2 == 0;
    harness.fs().crash(plan);
    ASSERT_THAT(harness.open(), IsOk()) << "mask " << mask;
    EXPECT_TRUE(harness.report().corrupt.empty()) << "mask " << mask;
    EXPECT_GE(harness.report().end, acknowledged);
    const auto seen = harness.consume(stream, 1, next);
    ASSERT_GE(seen.size(), 3U);
    const std::size_t bodies[] = {500, 500, 500, 100, 4'000, 9'000, 50, 6'000, 3'900, 8'200, 700};
    for (std::size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].sequence, i + 1);
      EXPECT_EQ(seen[i].body, test::body_of(i + 1, bodies[i])) << "mask " << mask;
    }
    if (mask == all) {
      EXPECT_EQ(seen.size(), next - 1);
    }
    const Lsn end = harness.report().end;
    harness.close();
    harness.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness.open(), IsOk());
    EXPECT_EQ(harness.report().end, end);
    EXPECT_EQ(harness.consume(stream, 1, next).size(), seen.size());
  }
}

TEST(RecoveryTail, WhatWasCutNeverComesBack) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  // A first record on the sector that gets lost, then one that survives behind it.
  harness.log().append(RecordType::kSettled, test::bytes_of("lost"), std::vector<std::byte>(8'000),
                       false);
  harness.append_fact(77, false);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  CrashPlan plan;
  plan.sector = [](const runtime::UnsyncedSector& sector) {
    return sector.index == 1 ? runtime::SectorFate::kLost : runtime::SectorFate::kKept;
  };
  harness.fs().crash(plan);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts(), numbers(1));
  EXPECT_GT(harness.report().cut_bytes, 8'000U);
  EXPECT_GT(harness.report().rewritten_bytes, 0U);
  // New records of the very same sizes would end exactly where the old one begins.
  harness.log().append(RecordType::kSettled, test::bytes_of("kept"), std::vector<std::byte>(8'000),
                       true);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().kill();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts(), numbers(1));
  EXPECT_EQ(harness.replayed().size(), 2U);
}

TEST(RecoveryTail, AKilledProcessLosesNothingThatWasWritten) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t i = 1; i <= 20; ++i) harness.append_fact(i, false);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.fs().kill();
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.replayed_facts(), numbers(20));
  EXPECT_GT(harness.report().rewritten_bytes, 0U);
  expect_stable(harness);
  EXPECT_EQ(harness.replayed_facts(), numbers(20));
}

TEST(RecoveryTail, ACrashAtAnyOperationOfTheRecoveryIsHarmless) {
  LogHarness origin;
  ASSERT_THAT(origin.open(), IsOk());
  for (std::uint64_t i = 1; i <= 1'500; ++i) {
    origin.append_fact(i);
    if (i % 10 == 0) {
      ASSERT_THAT(origin.log().flush(), IsOk());
    }
  }
  for (std::uint64_t i = 1'501; i <= 1'510; ++i) origin.append_fact(i, false);
  ASSERT_THAT(origin.log().flush(), IsOk());
  ASSERT_GT(origin.log().active_segment(), 1U);
  for (std::uint64_t stop = 0; stop < 20; ++stop) {
    for (const bool keep : {false, true}) {
      LogHarness harness;
      harness.use(origin.fs().clone());
      harness.fs().kill();
      harness.fs().stop_after(stop);
      const bool opened = harness.open().has_value();
      const auto served = opened ? harness.replayed_facts() : std::vector<std::uint64_t>();
      harness.close();
      harness.fs().crash(keep ? CrashPlan::keep_all() : CrashPlan::lose_unsynced());
      expect_prefix(harness, std::max<std::uint64_t>(1'500, served.size()), 1'510);
    }
  }
}

TEST(RecoveryTail, ACrashAnywhereWhileRollingLosesNothing) {
  // Every changing operation of a workload that rolls through three segments.
  for (std::uint64_t stop = 1;; stop += sluice::test::kStride) {
    LogHarness harness;
    ASSERT_THAT(harness.open(), IsOk());
    harness.fs().stop_after(stop);
    std::uint64_t acknowledged = 0;
    std::uint64_t appended = 0;
    bool alive = true;
    while (alive && appended < 1'800) {
      for (int i = 0; i < 30; ++i) harness.append_fact(++appended, true);
      alive = harness.log().flush().has_value();
      if (alive) acknowledged = appended;
    }
    if (alive) break;  // the workload needs fewer operations than that
    base::Prng prng(stop);
    harness.close();
    for (const int fate : {0, 1, 2}) {
      LogHarness after;
      after.use(harness.fs().clone());
      CrashPlan plan = fate == 0 ? CrashPlan::lose_unsynced()
                       : fate == 1
                           ? CrashPlan::keep_all()
                           : CrashPlan::keep_prefix(prng.below(harness.fs().unsynced_bytes() + 1));
      if (fate == 2) {
        plan.keep_folder_changes(prng.below(harness.fs().unsynced_folder_changes().size() + 1));
      }
      after.fs().crash(plan);
      expect_prefix(after, acknowledged, appended);
      expect_stable(after);
      expect_usable(after);
    }
  }
}

TEST(RecoveryTail, BytesOfAnEarlierLifeOfTheFileNeverVerify) {
  // Segment 1 goes to the pool full of records and comes back as a later segment.
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  std::uint64_t next = 1;
  const auto write_until = [&](std::uint64_t segment) {
    while (harness.log().active_segment() < segment) harness.append_fact(next++);
    ASSERT_THAT(harness.log().flush(), IsOk());
  };
  write_until(3);
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  write_until(4);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  ASSERT_GT(harness.housekeeper().drop_dead_segments([](auto&&...) { return false; }), 0U);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  ASSERT_GT(harness.log().pool().ready(), 0U);
  const std::uint64_t before = harness.log().active_segment();
  write_until(before + 1);
  EXPECT_EQ(harness.log().pool().ready(), 1U);
  const std::uint64_t last = next - 1;
  harness.close();
  harness.fs().crash(CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.report().corrupt.empty());
  EXPECT_EQ(harness.report().cut_bytes, 0U);
  ASSERT_FALSE(harness.replayed_facts().empty());
  EXPECT_EQ(harness.replayed_facts().back(), last);
  const auto verified = harness.replayed_facts();
  for (std::size_t i = 1; i < verified.size(); ++i) EXPECT_EQ(verified[i], verified[i - 1] + 1);
}

}  // namespace
}  // namespace sluice::storage
