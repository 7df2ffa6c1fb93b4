#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "base/time.h"

namespace sluice::broker {

// Ties due times of backoffs, which the log holds on the wall clock, to the monotonic clock, so
// that a step of the wall clock neither shortens nor stretches a backoff. A *generation* is the
// time between two steps: what became due in it is compared with the wall clock as it would be had
// it not stepped since. What comes from the log or an earlier process is compared with the wall
// clock of the start.
//
// Derived: nothing of it is in the log. Loop thread.
class BackoffClock {
 public:
  using Generation = std::uint8_t;

  // Slower drifts are steps once they add up to this.
  static constexpr std::int64_t kStepMs = 100;

  // The generation of backoffs that begin now.
  Generation generation() const { return current_; }
  // Some backoff of an earlier process has it: no step of this one begins it.
  void take(Generation generation) { taken_.set(generation); }
  // Before each command.
  void look(base::Now now);
  // The first look gives all generations their clock.
  bool runs() const { return runs_; }

  // REQUIRES: runs().
  base::MonoTime fires(Generation generation, base::WallTime due) const;
  bool is_due(Generation generation, base::WallTime due, base::MonoTime now) const {
    return fires(generation, due) <= now;
  }

 private:
  std::array<std::int64_t, 256> offsets_ns_{};  // wall - mono
  std::bitset<256> taken_;
  Generation current_ = 0;
  bool runs_ = false;
};

}  // namespace sluice::broker
