#pragma once

#include <chrono>
#include <cstdint>

#include "base/strong_type.h"

namespace sluice::base {

using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;

// Nanoseconds of a clock that never goes back and means nothing outside this process.
using MonoTime = StrongInt<std::int64_t, struct MonoTimeTag>;
// Milliseconds since 1970-01-01 UTC. May step either way; 0 = none.
using WallTime = StrongInt<std::int64_t, struct WallTimeTag>;

// Leases, backoff and sessions run on `mono`; deliver-at, expiry and schedules on `wall`.
struct Now {
  MonoTime mono;
  WallTime wall;
};

inline constexpr std::int64_t kNanosPerMilli = 1'000'000;

inline MonoTime operator+(MonoTime time, Nanos duration) { return time + duration.count(); }

}  // namespace sluice::base
