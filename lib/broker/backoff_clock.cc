#include "broker/backoff_clock.h"

#include <algorithm>

namespace sluice::broker {

namespace {

// About 250 years from 1970; no clock of ours says more, and its nanoseconds are far from overflow.
constexpr std::int64_t kWallMsMax = std::int64_t{8'000'000'000'000};

std::int64_t nanos(base::WallTime time) {
  return std::clamp(time.value(), std::int64_t{0}, kWallMsMax) * base::kNanosPerMilli;
}

}  // namespace

void BackoffClock::look(base::Now now) {
  const std::int64_t offset_ns = nanos(now.wall) - now.mono.value();
  if (!runs_) {
    offsets_ns_.fill(offset_ns);
    runs_ = true;
    return;
  }
  const std::int64_t moved_ns = offset_ns - offsets_ns_[current_];
  constexpr std::int64_t kStepNs = kStepMs * base::kNanosPerMilli;
  if (-kStepNs < moved_ns && moved_ns < kStepNs) return;
  // After 255 steps the first number is used again: what still waits from then on moves with it.
  for (unsigned i = 1; i < offsets_ns_.size(); ++i) {
    const auto next = static_cast<Generation>(current_ + i);
    if (taken_.test(next)) continue;
    current_ = next;
    offsets_ns_[next] = offset_ns;
    return;
  }
}

base::MonoTime BackoffClock::fires(Generation generation, base::WallTime due) const {
  return base::MonoTime(nanos(due) - offsets_ns_[generation]);
}

}  // namespace sluice::broker
