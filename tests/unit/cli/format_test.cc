#include "cli/format.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Format, CountsHaveCommasBetweenThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1'000), "1,000");
  EXPECT_EQ(format_count(1'234'567), "1,234,567");
  EXPECT_EQ(format_count(18'446'744'073'709'551'615U), "18,446,744,073,709,551,615");
}

TEST(Format, RatesHaveThreeDigits) {
  EXPECT_EQ(format_rate(0), "0");
  EXPECT_EQ(format_rate(812.3), "812");
  EXPECT_EQ(format_rate(999.6), "1.00k");
  EXPECT_EQ(format_rate(12'345), "12.3k");
  EXPECT_EQ(format_rate(999'600), "1.00M");
  EXPECT_EQ(format_rate(3'124'000), "3.12M");
}

TEST(Format, SizesCountIn1024s) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1'023), "1023 B");
  EXPECT_EQ(format_size(1'536), "1.5 KiB");
  EXPECT_EQ(format_size(std::uint64_t{1} << 30), "1.0 GiB");
  EXPECT_EQ(format_size((std::uint64_t{1} << 20) - 1), "1.0 MiB");
}

TEST(Format, AgesHaveTheirTwoLargestUnits) {
  EXPECT_EQ(format_age(-3), "0s");
  EXPECT_EQ(format_age(4.9), "4s");
  EXPECT_EQ(format_age(192), "3m12s");
  EXPECT_EQ(format_age(7'500), "2h05m");
  EXPECT_EQ(format_age(3 * 86'400 + 4 * 3'600 + 59), "3d04h");
}

TEST(Format, LatenciesChooseTheirUnit) {
  EXPECT_EQ(format_latency(85), "85 µs");
  EXPECT_EQ(format_latency(1'240), "1.24 ms");
  EXPECT_EQ(format_latency(2'300'000), "2.30 s");
}

}  // namespace
}  // namespace sluice::cli
