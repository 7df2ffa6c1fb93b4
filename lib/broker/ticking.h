#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "broker/core.h"

// Everything that happens because time passes.
namespace sluice::broker {

// How much one tick may still do, in messages touched; keeps a tick at about a millisecond.
class Budget {
 public:
  explicit Budget(std::int64_t messages) : left_(messages) {}
  bool spent() const { return left_ <= 0; }
  std::uint64_t left() const { return left_ > 0 ? static_cast<std::uint64_t>(left_) : 0; }
  void take(std::uint64_t messages) { left_ -= static_cast<std::int64_t>(messages); }

 private:
  std::int64_t left_;
};

// Leases that ran out, sessions that are gone or did not come back, messages that are due or
// expired, dead letters that are too old. Stops when the budget is spent.
void pass_time(Core& core, base::Now now, Budget& budget);

// At the start of a restored copy: the sessions of its original are over, and what they hold is
// released. Not sliced, as nobody is served yet.
void forget_sessions(Core& core, base::Now now);

// When pass_time() has something to do again; nullopt = never. Times of the wall clock may step, so
// they are looked at again every few seconds at the latest.
std::optional<base::MonoTime> next_time(const Core& core, base::Now now);

}  // namespace sluice::broker
