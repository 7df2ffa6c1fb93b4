#include "client/api/unsettled.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace sluice::api {
namespace {

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

base::SequenceRange range(std::uint64_t first, std::uint64_t last) {
  return {base::Sequence(first), base::Sequence(last)};
}

Ranges left(const Unsettled& unsettled) {
  Ranges ranges;
  for (const base::SequenceRange& one : unsettled.ranges()) {
    ranges.emplace_back(one.first.value(), one.last.value());
  }
  return ranges;
}

TEST(Unsettled, RemovesEveryMessageOnce) {
  Unsettled unsettled;
  unsettled.add(range(100, 299));
  EXPECT_EQ(unsettled.remove(range(101, 101)), 1U);
  EXPECT_EQ(unsettled.remove(range(101, 101)), 0U);
  EXPECT_EQ(unsettled.remove(range(90, 110)), 10U);
  EXPECT_EQ(unsettled.remove(range(1, 99)), 0U);
  EXPECT_EQ(unsettled.remove(range(300, 999)), 0U);
  EXPECT_EQ(left(unsettled), Ranges({{111, 299}}));
  EXPECT_EQ(unsettled.remove(range(111, 299)), 189U);
  EXPECT_TRUE(unsettled.empty());
  EXPECT_EQ(left(unsettled), Ranges());
}

TEST(Unsettled, TakesRunsInAnyOrder) {
  Unsettled unsettled;
  unsettled.add(range(500, 510));
  unsettled.add(range(7, 7));
  unsettled.add(range(100, 163));
  EXPECT_EQ(left(unsettled), Ranges({{7, 7}, {100, 163}, {500, 510}}));
  EXPECT_EQ(unsettled.remove(range(7, 7)), 1U);
  EXPECT_EQ(unsettled.remove(range(163, 500)), 2U);
  EXPECT_EQ(left(unsettled), Ranges({{100, 162}, {501, 510}}));
}

TEST(Unsettled, DoesWhatASetDoes) {
  std::mt19937_64 random(1);
  const auto below = [&random](std::uint64_t end) { return random() % end; };
  for (int round = 0; round < 200; ++round) {
    Unsettled unsettled;
    std::set<std::uint64_t> expected;
    for (std::uint64_t at = 1; at < 1'000;) {
      const std::uint64_t first = at + below(round % 2 == 0 ? 2 : 40);
      const std::uint64_t last = first + below(round % 3 == 0 ? 1 : 300);
      unsettled.add(range(first, last));
      for (std::uint64_t i = first; i <= last; ++i) expected.insert(i);
      at = last + 1;
    }
    while (!expected.empty()) {
      const std::uint64_t first = below(1'400);
      const std::uint64_t last = first + below(4) * below(60);
      std::uint64_t removed = 0;
      for (std::uint64_t i = first; i <= last; ++i) removed += expected.erase(i);
      ASSERT_EQ(unsettled.remove(range(first, last)), removed) << first << ".." << last;
      std::uint64_t bits = random() | 1;
      std::uint64_t here = 0;
      for (std::uint64_t i = 0; i < 64; ++i) {
        if ((bits >> i & 1) != 0 && expected.erase(first + i) == 1) here |= std::uint64_t{1} << i;
      }
      ASSERT_EQ(unsettled.remove(base::Sequence(first), bits), here) << first;
      ASSERT_EQ(unsettled.empty(), expected.empty());
      if (below(16) != 0) continue;
      std::set<std::uint64_t> rest;
      for (const auto& [begin, end] : left(unsettled)) {
        for (std::uint64_t i = begin; i <= end; ++i) rest.insert(i);
      }
      ASSERT_EQ(rest, expected);
    }
  }
}

}  // namespace
}  // namespace sluice::api
