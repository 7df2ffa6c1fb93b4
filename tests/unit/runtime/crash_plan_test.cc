#include "runtime/crash_plan.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::runtime {
namespace {

TEST(CrashPlanTest, a_drawn_plan_is_a_function_of_its_seed) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    base::Prng first(seed);
    base::Prng second(seed);
    const CrashPlan a = CrashPlan::draw(first, 1'000, 3);
    const CrashPlan b = CrashPlan::draw(second, 1'000, 3);
    ASSERT_EQ(a.prefix_bytes, b.prefix_bytes);
    ASSERT_EQ(a.sizes_kept, b.sizes_kept);
    ASSERT_EQ(a.garble_seed, b.garble_seed);
    ASSERT_EQ(a.sector == nullptr, b.sector == nullptr);
    if (!a.sector) continue;
    for (std::uint64_t i = 0; i < 20; ++i) {
      b.sector({"x", 19 - i, 19 - i});  // asked in another order, too
      ASSERT_EQ(a.sector({"x", i, i}), b.sector({"x", i, i}));
    }
  }
}

TEST(CrashPlanTest, draws_reach_every_kind) {
  base::Prng prng(1);
  std::set<std::uint64_t> prefixes;
  std::set<SectorFate> fates;
  int sizes_kept = 0;
  std::set<bool> first_name_kept;
  for (int i = 0; i < 300; ++i) {
    const CrashPlan plan = CrashPlan::draw(prng, 4, 2);
    if (plan.prefix_bytes) prefixes.insert(*plan.prefix_bytes);
    if (plan.sector) {
      for (std::uint64_t s = 0; s < 10; ++s) fates.insert(plan.sector({"f", s, s}));
      sizes_kept += plan.sizes_kept ? 1 : 0;
    }
    first_name_kept.insert(plan.folder_change_kept({FolderChange::kCreate, "a", "", 0}));
    EXPECT_FALSE(plan.folder_change_kept({FolderChange::kCreate, "a", "", 2}));
  }
  EXPECT_EQ(prefixes.size(), 5U);
  EXPECT_EQ(fates.size(), 3U);
  EXPECT_GT(sizes_kept, 10);
  EXPECT_EQ(first_name_kept.size(), 2U);
}

TEST(CrashPlanTest, with_nothing_to_lose_there_is_still_a_plan) {
  base::Prng prng(2);
  for (int i = 0; i < 50; ++i) {
    const CrashPlan plan = CrashPlan::draw(prng, 0, 0);
    EXPECT_EQ(plan.prefix_bytes.value_or(0), 0U);
  }
}

}  // namespace
}  // namespace sluice::runtime
