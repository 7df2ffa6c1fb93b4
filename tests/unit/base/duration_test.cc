#include "base/duration.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/prng.h"
#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

using namespace std::chrono_literals;
using test::HasCode;
using test::IsOkAndHolds;

TEST(ParseDurationTest, it_takes_what_manifests_have) {
  EXPECT_THAT(parse_duration("30s"), IsOkAndHolds(Millis(30s)));
  EXPECT_THAT(parse_duration("5m"), IsOkAndHolds(Millis(5min)));
  EXPECT_THAT(parse_duration("1h30m"), IsOkAndHolds(Millis(90min)));
  EXPECT_THAT(parse_duration("250ms"), IsOkAndHolds(250ms));
  EXPECT_THAT(parse_duration("14d"), IsOkAndHolds(Millis(336h)));
  EXPECT_THAT(parse_duration("1d2h3m4s5ms"), IsOkAndHolds(Millis(26h + 3min + 4s + 5ms)));
  EXPECT_THAT(parse_duration("90m"), IsOkAndHolds(Millis(90min)));
  EXPECT_THAT(parse_duration("0"), IsOkAndHolds(0ms));
  EXPECT_THAT(parse_duration("0s"), IsOkAndHolds(0ms));
  EXPECT_THAT(parse_duration("36500d"), IsOkAndHolds(kDurationMax));
}

TEST(ParseDurationTest, it_refuses_everything_else_and_says_why) {
  const auto why = [](std::string_view text) {
    const Result<Millis> result = parse_duration(text);
    EXPECT_THAT(result, HasCode(ErrorCode::kInvalidArgument)) << text;
    return result.has_value() ? std::string() : result.error().message();
  };
  EXPECT_EQ(why(""), "'' is no duration: write for instance 30s, 1h30m or 250ms");
  EXPECT_EQ(why("30"), "'30' is no duration: a unit is missing; the units are d, h, m, s, ms");
  EXPECT_EQ(why("5min"), "'5min' is no duration: the units are d, h, m, s, ms");
  EXPECT_EQ(why("5us"), "'5us' is no duration: the units are d, h, m, s, ms");
  EXPECT_EQ(why("5 s"), "'5 s' is no duration: the units are d, h, m, s, ms");
  EXPECT_EQ(why("5S"), "'5S' is no duration: the units are d, h, m, s, ms");
  EXPECT_EQ(why("s"), "'s' is no duration: a whole number must stand before each unit");
  EXPECT_EQ(why("+5s"), "'+5s' is no duration: a whole number must stand before each unit");
  EXPECT_EQ(why("1.5h"),
            "'1.5h' is no duration: use a smaller unit in place of a fraction, as in 1h30m");
  EXPECT_EQ(why(".5h"),
            "'.5h' is no duration: use a smaller unit in place of a fraction, as in 1h30m");
  EXPECT_EQ(why("-5s"), "'-5s' is no duration: it cannot be negative");
  EXPECT_EQ(why("1h-5s"), "'1h-5s' is no duration: it cannot be negative");
  EXPECT_EQ(why("30m1h"), "'30m1h' is no duration: each unit once, the larger first");
  EXPECT_EQ(why("1h1h"), "'1h1h' is no duration: each unit once, the larger first");
  EXPECT_EQ(why("36501d"), "'36501d' is no duration: the longest is 36500d");
  EXPECT_EQ(why("36500d1ms"), "'36500d1ms' is no duration: the longest is 36500d");
  EXPECT_EQ(why("99999999999999999999s"),
            "'99999999999999999999s' is no duration: the longest is 36500d");
}

TEST(FormatDurationTest, it_is_short_and_read_back) {
  EXPECT_EQ(format_duration(0ms), "0s");
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_duration(336h), "14d");
  EXPECT_EQ(format_duration(61s + 1ms), "1m1s1ms");
  Prng prng(1);
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t bound = std::uint64_t{1} << prng.below(41);
    const Millis duration(prng.below(bound));
    ASSERT_THAT(parse_duration(format_duration(duration)), IsOkAndHolds(duration));
  }
}

TEST(ParseBytesTest, it_takes_what_manifests_have) {
  EXPECT_THAT(parse_bytes("1024"), IsOkAndHolds(1024U));
  EXPECT_THAT(parse_bytes("0"), IsOkAndHolds(0U));
  EXPECT_THAT(parse_bytes("6Gi"), IsOkAndHolds(6ULL << 30));
  EXPECT_THAT(parse_bytes("500M"), IsOkAndHolds(500'000'000U));
  EXPECT_THAT(parse_bytes("2k"), IsOkAndHolds(2'000U));
  EXPECT_THAT(parse_bytes("2Ki"), IsOkAndHolds(2'048U));
  EXPECT_THAT(parse_bytes("1.5Gi"), IsOkAndHolds(3ULL << 29));
  EXPECT_THAT(parse_bytes("0.125Ki"), IsOkAndHolds(128U));
  EXPECT_THAT(parse_bytes("1.0"), IsOkAndHolds(1U));
  EXPECT_THAT(parse_bytes("15.5Ei"), IsOkAndHolds(31ULL << 59));
  EXPECT_THAT(parse_bytes("18446744073709551615"),
              IsOkAndHolds(std::numeric_limits<std::uint64_t>::max()));
}

TEST(ParseBytesTest, it_refuses_everything_else_and_says_why) {
  const auto why = [](std::string_view text) {
    const Result<std::uint64_t> result = parse_bytes(text);
    EXPECT_THAT(result, HasCode(ErrorCode::kInvalidArgument)) << text;
    return result.has_value() ? std::string() : result.error().message();
  };
  const std::string example = ": write for instance 1024, 6Gi or 500M";
  EXPECT_EQ(why(""), "'' is no number of bytes" + example);
  EXPECT_EQ(why("Gi"), "'Gi' is no number of bytes" + example);
  EXPECT_EQ(why("-1"), "'-1' is no number of bytes" + example);
  EXPECT_EQ(why(".5Gi"), "'.5Gi' is no number of bytes" + example);
  EXPECT_EQ(why("5.Gi"), "'5.Gi' is no number of bytes" + example);
  const std::string units = ": the units are k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei";
  EXPECT_EQ(why("6GB"), "'6GB' is no number of bytes" + units);
  EXPECT_EQ(why("6GiB"), "'6GiB' is no number of bytes" + units);
  EXPECT_EQ(why("6K"), "'6K' is no number of bytes" + units);
  EXPECT_EQ(why("6 Gi"), "'6 Gi' is no number of bytes" + units);
  EXPECT_EQ(why("1e3"), "'1e3' is no number of bytes" + units);
  EXPECT_EQ(why("100m"), "'100m' is no number of bytes" + units);
  EXPECT_EQ(why("0.1Gi"), "'0.1Gi' is no number of bytes: it is not a whole number of bytes");
  EXPECT_EQ(why("0.5"), "'0.5' is no number of bytes: it is not a whole number of bytes");
  EXPECT_EQ(why("1.1234G"), "'1.1234G' is no number of bytes: a fraction has at most three digits");
  EXPECT_EQ(why("16Ei"), "'16Ei' is no number of bytes: it does not fit 64 bits");
  EXPECT_EQ(why("18.5E"), "'18.5E' is no number of bytes: it does not fit 64 bits");
  EXPECT_EQ(why("18446744073709551616"),
            "'18446744073709551616' is no number of bytes: it does not fit 64 bits");
}

TEST(FormatBytesTest, it_is_exact_and_read_back) {
  EXPECT_EQ(format_bytes(0), "0");
  EXPECT_EQ(format_bytes(999), "999");
  EXPECT_EQ(format_bytes(6ULL << 30), "6Gi");
  EXPECT_EQ(format_bytes(3ULL << 29), "1536Mi");
  EXPECT_EQ(format_bytes(500'000'001), "500000001");
  EXPECT_EQ(format_bytes(1'000'500), "1000500");
  EXPECT_EQ(format_bytes(9'000), "9k");
  Prng prng(2);
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t bytes = prng.next() >> prng.below(64) << prng.below(30);
    ASSERT_THAT(parse_bytes(format_bytes(bytes)), IsOkAndHolds(bytes));
  }
}

}  // namespace
}  // namespace sluice::base
