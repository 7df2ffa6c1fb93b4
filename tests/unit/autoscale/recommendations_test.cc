#include "operator/autoscale/recommendations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/prng.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

base::MonoTime at(std::int64_t seconds) { return base::MonoTime(seconds * 1'000'000'000); }

TEST(Recommendations, NothingIsKnownBeforeAWholeWindow) {
  Recommendations asked;
  EXPECT_EQ(asked.max_within(10s, at(100)), std::nullopt);
  asked.add(3, at(100));
  EXPECT_EQ(asked.max_within(10s, at(109)), std::nullopt);
  EXPECT_EQ(asked.changes_in(10s, at(109)), 1s);
  EXPECT_EQ(asked.max_within(10s, at(110)), 3U);
  EXPECT_EQ(asked.max_within(0s, at(100)), 3U);
}

TEST(Recommendations, WhatWasAskedForCountsUntilItsEndHasLeftTheWindow) {
  Recommendations asked;
  asked.add(9, at(0));
  asked.add(4, at(100));
  EXPECT_EQ(asked.max_within(10s, at(109)), 9U);
  EXPECT_EQ(asked.max_within(10s, at(110)), 4U);
}

TEST(Recommendations, AValueThatComesBackIsOpenAgain) {
  Recommendations asked;
  asked.add(9, at(0));
  asked.add(5, at(100));
  asked.add(3, at(101));
  asked.add(5, at(102));
  asked.add(2, at(120));
  EXPECT_EQ(asked.max_within(10s, at(129)), 5U);
  EXPECT_EQ(asked.max_within(10s, at(130)), 2U);
}

TEST(Recommendations, AWindowThatWasMadeLongerIsWatchedFirst) {
  Recommendations asked;
  asked.add(1, at(0));
  asked.prune(10s, at(100));
  EXPECT_EQ(asked.max_within(10s, at(100)), 1U);
  EXPECT_EQ(asked.max_within(30s, at(100)), std::nullopt);
  EXPECT_EQ(asked.max_within(30s, at(120)), 1U);
}

TEST(Recommendations, AgreeWithAListOfEverySecond) {
  base::Prng random(7);
  for (int round = 0; round < 50; ++round) {
    Recommendations asked;
    std::vector<std::uint32_t> every;
    const auto window = static_cast<std::int64_t>(1 + random.below(30));
    std::uint32_t value = 5;
    for (std::int64_t second = 0; second < 200; ++second) {
      if (random.chance(0.3)) value = static_cast<std::uint32_t>(random.below(12));
      asked.add(value, at(second));
      asked.prune(base::Millis(window * 1'000), at(second));
      every.push_back(value);
      const auto max = asked.max_within(base::Millis(window * 1'000), at(second));
      if (second < window) {
        EXPECT_EQ(max, std::nullopt);
        continue;
      }
      // The second in which the window begins counts too: it was asked for until the next.
      EXPECT_EQ(max, *std::max_element(every.end() - window - 1, every.end()));
      EXPECT_LE(asked.size(), 12U);
    }
  }
}

}  // namespace
}  // namespace sluice::autoscale
