#include "runtime/posix/system_clock.h"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(SystemClockTest, monotonic_time_never_goes_back) {
  const SystemClock clock;
  base::MonoTime before = clock.mono_now();
  EXPECT_GT(before, base::MonoTime(0));
  for (int i = 0; i < 1'000; ++i) {
    const base::MonoTime now = clock.mono_now();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(SystemClockTest, wall_time_is_in_milliseconds_since_1970) {
  const SystemClock clock;
  EXPECT_GT(clock.now().wall, base::WallTime(1'700'000'000'000));
  EXPECT_LT(clock.now().wall, base::WallTime(100'000'000'000'000));
}

}  // namespace
}  // namespace sluice::runtime
