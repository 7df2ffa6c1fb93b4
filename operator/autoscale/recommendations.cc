#include "operator/autoscale/recommendations.h"

#include <algorithm>

#include "operator/autoscale/observation.h"

namespace sluice::autoscale {
namespace {

base::MonoTime before(base::MonoTime now, base::Millis duration) {
  return now + -base::Nanos(duration).count();
}

}  // namespace

void Recommendations::add(std::uint32_t replicas, base::MonoTime now) {
  if (entries_.empty()) known_since_ = now;
  while (!entries_.empty() && entries_.back().replicas < replicas) entries_.pop_back();
  if (!entries_.empty() && entries_.back().replicas == replicas) {
    entries_.back().until.reset();
    return;
  }
  if (!entries_.empty() && !entries_.back().until) entries_.back().until = now;
  entries_.push_back({replicas, std::nullopt});
}

void Recommendations::prune(base::Millis window, base::MonoTime now) {
  const base::MonoTime horizon = before(now, window);
  while (!entries_.empty() && entries_.front().until && *entries_.front().until <= horizon) {
    entries_.pop_front();
  }
  known_since_ = std::max(known_since_, horizon);
}

std::optional<std::uint32_t> Recommendations::max_within(base::Millis window,
                                                         base::MonoTime now) const {
  if (entries_.empty() || elapsed(known_since_, now) < window) return std::nullopt;
  const base::MonoTime horizon = before(now, window);
  for (const Entry& entry : entries_) {
    if (!entry.until || *entry.until > horizon) return entry.replicas;
  }
  return std::nullopt;
}

std::optional<base::Millis> Recommendations::changes_in(base::Millis window,
                                                        base::MonoTime now) const {
  if (entries_.empty()) return std::nullopt;
  const base::Millis known = elapsed(known_since_, now);
  if (known < window) return window - known;
  const base::MonoTime horizon = before(now, window);
  for (const Entry& entry : entries_) {
    if (!entry.until) break;
    if (*entry.until > horizon) return elapsed(horizon, *entry.until) + base::Millis(1);
  }
  return std::nullopt;
}

}  // namespace sluice::autoscale
