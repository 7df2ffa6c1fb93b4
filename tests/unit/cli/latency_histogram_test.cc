#include "cli/bench/latency_histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace sluice::cli::bench {
namespace {

TEST(LatencyHistogram, AnEmptyOneHasNoLatency) {
  EXPECT_EQ(LatencyHistogram().percentile(0.5), base::Nanos(0));
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int i = 0; i < 64; ++i) histogram.add(base::Nanos(i));
  EXPECT_EQ(histogram.percentile(0.5), base::Nanos(31));
  EXPECT_EQ(histogram.percentile(1), base::Nanos(63));
  EXPECT_EQ(histogram.percentile(0), base::Nanos(0));
}

TEST(LatencyHistogram, NoValueIsOffByMoreThanThreePercent) {
  for (std::int64_t value = 1; value < std::int64_t{1} << 60; value += value / 16 + 1) {
    LatencyHistogram histogram;
    histogram.add(base::Nanos(value));
    const std::int64_t shown = histogram.percentile(0.5).count();
    ASSERT_GE(shown, value);
    ASSERT_LE(shown - value, value / 32) << value;
  }
}

TEST(LatencyHistogram, TheLargestValueHasABucket) {
  LatencyHistogram histogram;
  histogram.add(base::Nanos(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(histogram.percentile(1).count(), std::numeric_limits<std::int64_t>::max());
}

TEST(LatencyHistogram, AClockThatSeemsToGoBackCountsAsNothing) {
  LatencyHistogram histogram;
  histogram.add(base::Nanos(-5));
  EXPECT_EQ(histogram.count(), 1U);
  EXPECT_EQ(histogram.percentile(1), base::Nanos(0));
}

TEST(LatencyHistogram, MergedOnesCountTogether) {
  LatencyHistogram fast;
  LatencyHistogram slow;
  for (int i = 0; i < 99; ++i) fast.add(base::Nanos(10));
  slow.add(base::Nanos(60));
  fast.merge(slow);
  EXPECT_EQ(fast.count(), 100U);
  EXPECT_EQ(fast.percentile(0.99), base::Nanos(10));
  EXPECT_EQ(fast.percentile(0.999), base::Nanos(60));
}

}  // namespace
}  // namespace sluice::cli::bench
