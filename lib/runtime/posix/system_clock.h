#pragma once

#include "runtime/clock.h"

namespace sluice::runtime {

// The machine's clocks: CLOCK_BOOTTIME, which also counts while the machine sleeps, and
// CLOCK_REALTIME. Stateless; safe from any thread.
class SystemClock final : public Clock {
 public:
  base::MonoTime mono_now() const override;
  base::WallTime wall_now() const override;
};

}  // namespace sluice::runtime
