#include "cli/wall_text.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(WallText, IsUtcWithMilliseconds) {
  EXPECT_EQ(format_wall(base::WallTime(1'767'355'201'007)), "2026-01-02T12:00:01.007Z");
  EXPECT_EQ(format_wall(base::WallTime(0)), "1970-01-01T00:00:00.000Z");
}

TEST(WallText, is_read_as_it_is_written) {
  for (const std::int64_t ms : {0LL, 1'700'000'000'123LL, 4'102'444'800'000LL}) {
    const auto read = parse_wall(format_wall(base::WallTime(ms)));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->value(), ms);
  }
  EXPECT_EQ(parse_wall("1970-01-01T00:00:01Z")->value(), 1'000);
  EXPECT_EQ(parse_wall("1970-01-01T00:00:01.5Z")->value(), 1'500);
}

TEST(WallText, other_forms_are_refused) {
  for (const char* text : {"", "Z", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z",
                           "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:00.Z",
                           "2026-01-31T12:00:00+01:00", "1700000000"}) {
    EXPECT_FALSE(parse_wall(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::cli
