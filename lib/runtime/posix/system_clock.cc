#include "runtime/posix/system_clock.h"

#include <ctime>

#include "base/check.h"

namespace sluice::runtime {
namespace {

timespec read_clock(clockid_t clock) {
  timespec now{};
  CHECK(::clock_gettime(clock, &now) == 0);
  return now;
}

}  // namespace

base::MonoTime SystemClock::mono_now() const {
  const timespec now = read_clock(CLOCK_BOOTTIME);
  return base::MonoTime(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

base::WallTime SystemClock::wall_now() const {
  const timespec now = read_clock(CLOCK_REALTIME);
  return base::WallTime(std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / base::kNanosPerMilli);
}

}  // namespace sluice::runtime
