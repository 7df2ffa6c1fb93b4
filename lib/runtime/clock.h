#pragma once

#include "base/time.h"

namespace sluice::runtime {

// Where time comes from. Implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic nanoseconds (CLOCK_BOOTTIME on Linux, so that a suspended laptop's leases run on).
  virtual base::MonoTime mono_now() const = 0;
  // Wall milliseconds since 1970.
  virtual base::WallTime wall_now() const = 0;

  base::Now now() const { return {mono_now(), wall_now()}; }
};

}  // namespace sluice::runtime
