#include "cli/wall_text.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(WallText, IsUtcWithMilliseconds) {
  EXPECT_EQ(format_wall(base::WallTime(1'767'355'201'007)), "2026-01-02T12:00:01.007Z");
  EXPECT_EQ(format_wall(base::WallTime(0)), "1970-01-01T00:00:00.000Z");
}

}  // namespace
}  // namespace sluice::cli
