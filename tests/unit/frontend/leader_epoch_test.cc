#include "frontend/leader_epoch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/memory_file_system.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;

class LeaderEpochTest : public testing::Test {
 protected:
  // Another process on the same disk.
  std::uint64_t highest_after_crash() {
    fs_.crash(fs_.draw_crash_plan(prng_));
    return LeaderEpoch(fs_, "/data").highest();
  }

  runtime::MemoryFileSystem fs_{{.folders = {"/data"}}};
  base::Prng prng_{5};
};

TEST_F(LeaderEpochTest, BeginsAtZeroAndRises) {
  LeaderEpoch epoch(fs_, "/data");
  EXPECT_EQ(epoch.highest(), 0U);
  EXPECT_FALSE(epoch.show(0).refused());
  EXPECT_FALSE(epoch.show(1'764'000'000).refused());
  EXPECT_FALSE(epoch.show(1'764'000'000).refused());
  EXPECT_EQ(epoch.highest(), 1'764'000'000U);
}

TEST_F(LeaderEpochTest, ALowerOneIsRefusedAndTheMessageNamesBoth) {
  LeaderEpoch epoch(fs_, "/data");
  ASSERT_FALSE(epoch.show(7).refused());
  const broker::Refusal refusal = epoch.show(6);
  EXPECT_EQ(refusal.code, RefusalCode::kStaleLeader);
  EXPECT_THAT(refusal.message, testing::HasSubstr("6 is below 7"));
}

TEST_F(LeaderEpochTest, WhatWasShownHoldsAfterALossOfPower) {
  for (std::uint64_t shown = 1; shown <= 50; ++shown) {
    LeaderEpoch epoch(fs_, "/data");
    ASSERT_FALSE(epoch.show(shown).refused());
    ASSERT_EQ(highest_after_crash(), shown);
  }
}

TEST_F(LeaderEpochTest, WhatCannotBeWrittenDownIsNotAccepted) {
  LeaderEpoch epoch(fs_, "/data");
  ASSERT_FALSE(epoch.show(7).refused());
  for (const auto operation : {runtime::FileOperation::kCreate, runtime::FileOperation::kWrite,
                               runtime::FileOperation::kSync, runtime::FileOperation::kRename}) {
    runtime::FileFault fault;
    fault.operation = operation;
    fs_.fail(fault);
    EXPECT_EQ(epoch.show(8).code, RefusalCode::kNotReady);
    // It was shown all the same: who it replaces comes too late.
    EXPECT_EQ(epoch.highest(), 8U);
    EXPECT_EQ(epoch.show(7).code, RefusalCode::kStaleLeader);
  }
  EXPECT_FALSE(epoch.show(8).refused());
  EXPECT_EQ(highest_after_crash(), 8U);
}

TEST_F(LeaderEpochTest, AnEpochWhoseFileIsNotSyncedHoldsAndIsWrittenAgain) {
  LeaderEpoch epoch(fs_, "/data");
  ASSERT_FALSE(epoch.show(7).refused());
  runtime::FileFault fault;
  fault.operation = runtime::FileOperation::kSyncFolder;
  fs_.fail(fault);
  EXPECT_EQ(epoch.show(9).code, RefusalCode::kNotReady);
  EXPECT_EQ(epoch.show(8).code, RefusalCode::kStaleLeader);
  EXPECT_FALSE(epoch.show(9).refused());
  EXPECT_EQ(highest_after_crash(), 9U);
}

TEST_F(LeaderEpochTest, BehindAFileOfAnotherHandNobodyLeadsUntilItIsMended) {
  LeaderEpoch(fs_, "/data").show(7);
  {
    const auto file = fs_.open("/data/leader-epoch", runtime::OpenMode::kReadWrite);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE((*file)->write_at(0, base::as_bytes("9")).has_value());
  }
  LeaderEpoch epoch(fs_, "/data");
  EXPECT_EQ(epoch.show(3).code, RefusalCode::kNotReady);
  EXPECT_EQ(epoch.show(8).code, RefusalCode::kNotReady);
  EXPECT_THAT(epoch.show(8).message, testing::HasSubstr("/data/leader-epoch"));
  ASSERT_TRUE(fs_.remove("/data/leader-epoch").has_value());
  EXPECT_FALSE(epoch.show(8).refused());
  EXPECT_EQ(LeaderEpoch(fs_, "/data").highest(), 8U);
}

}  // namespace
}  // namespace sluice::frontend
