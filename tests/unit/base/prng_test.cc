#include "base/prng.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace sluice::base {
namespace {

// A seed must mean the same run for ever: these numbers never change.
TEST(PrngTest, a_seed_gives_the_same_numbers_for_ever) {
  Prng prng(42);
  EXPECT_EQ(prng.next(), 0x15780B2E0C2EC716U);
  EXPECT_EQ(prng.next(), 0x6104D9866D113A7EU);
  EXPECT_EQ(prng.next(), 0xAE17533239E499A1U);
  EXPECT_EQ(prng.next(), 0xECB8AD4703B360A1U);
  Prng zero(0);
  EXPECT_EQ(zero.next(), 0x99EC5F36CB75F2B4U);
  EXPECT_EQ(zero.next(), 0xBF6E1F784956452AU);
  EXPECT_EQ(zero.next(), 0x1A5F849D4933E6E0U);
  EXPECT_EQ(zero.next(), 0x6AA594F1262D2D2CU);
}

TEST(PrngTest, a_component_has_a_stream_of_its_own) {
  Prng disk(42, "disk");
  EXPECT_EQ(disk.next(), 0x2219CEF45F069BE9U);
  EXPECT_EQ(disk.next(), 0x54D62C9492E131A4U);
  EXPECT_EQ(disk.next(), 0x25D2A40198BFF995U);
  EXPECT_EQ(disk.next(), 0x960D8FC5E209D9CFU);
  Prng network(42, "network");
  Prng disk_again(42, "disk");
  EXPECT_NE(disk_again.next(), network.next());
}

TEST(PrngTest, below_stays_below_and_reaches_everything) {
  Prng prng(7);
  std::array<int, 6> seen{};
  for (int i = 0; i < 6'000; ++i) {
    const std::uint64_t value = prng.below(6);
    ASSERT_LT(value, 6U);
    ++seen[value];
  }
  for (const int count : seen) EXPECT_NEAR(count, 1'000, 150);
  EXPECT_EQ(prng.below(1), 0U);
}

TEST(PrngTest, a_bound_just_above_a_half_of_the_range_is_even) {
  // A plain remainder would give the lower third twice as often.
  Prng prng(9);
  constexpr std::uint64_t kBound = 3ULL << 62;
  int low = 0;
  for (int i = 0; i < 3'000; ++i) low += prng.below(kBound) < kBound / 3 ? 1 : 0;
  EXPECT_NEAR(low, 1'000, 100);
}

TEST(PrngTest, unit_is_in_0_to_1_without_1) {
  Prng prng(3);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = prng.unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

TEST(PrngTest, chance_of_0_is_never_and_of_1_always) {
  Prng prng(3);
  for (int i = 0; i < 100; ++i) {
    ASSERT_FALSE(prng.chance(0));
    ASSERT_TRUE(prng.chance(1));
  }
}

TEST(PrngTest, ids_differ) {
  Prng prng(5);
  std::set<Id128> ids;
  for (int i = 0; i < 1'000; ++i) ids.insert(prng.id128());
  EXPECT_EQ(ids.size(), 1'000U);
}

TEST(PrngDeathTest, below_0_is_a_bug) {
  Prng prng(1);
  EXPECT_DEATH(prng.below(0), "CHECK");
}

}  // namespace
}  // namespace sluice::base
