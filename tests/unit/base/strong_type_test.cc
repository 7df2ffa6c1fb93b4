#include "base/strong_type.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_map>

#include "base/time.h"

namespace sluice::base {
namespace {

using Apples = StrongInt<std::uint32_t, struct ApplesTag>;
using Pears = StrongInt<std::uint32_t, struct PearsTag>;

TEST(StrongIntTest, conversions_are_explicit_both_ways) {
  static_assert(!std::is_convertible_v<std::uint32_t, Apples>);
  static_assert(!std::is_convertible_v<Apples, std::uint32_t>);
  static_assert(!std::is_constructible_v<Apples, Pears>);
  EXPECT_EQ(Apples(3).value(), 3U);
  EXPECT_EQ(Apples().value(), 0U);
}

TEST(StrongIntTest, positions_move_and_have_distances) {
  Apples a(10);
  EXPECT_EQ(a + 5, Apples(15));
  EXPECT_EQ(a - 3, Apples(7));
  EXPECT_EQ(Apples(15) - a, 5U);
  EXPECT_EQ(++a, Apples(11));
  EXPECT_EQ(a += 9, Apples(20));
}

TEST(StrongIntTest, they_are_ordered) {
  EXPECT_LT(Apples(1), Apples(2));
  EXPECT_GE(Apples(2), Apples(2));
}

TEST(StrongIntTest, they_are_keys) {
  std::unordered_map<Apples, int> map;
  map[Apples(5)] = 1;
  map[Apples(5)] = 2;
  EXPECT_EQ(map.size(), 1U);
}

TEST(MonoTimeTest, a_duration_can_be_added) {
  EXPECT_EQ(MonoTime(5) + Millis(2), MonoTime(2'000'005));
}

}  // namespace
}  // namespace sluice::base
