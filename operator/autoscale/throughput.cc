#include "operator/autoscale/throughput.h"

#include <algorithm>
#include <cmath>

namespace sluice::autoscale {
namespace {

double busy_replicas_of(const Observation& observation) {
  const Backlog& backlog = observation.backlog;
  if (backlog.paused) return 0;
  const std::uint64_t at_most = std::min<std::uint64_t>(observation.replicas.ready, backlog.work());
  if (!backlog.busy_replicas) return static_cast<double>(at_most);
  // Who holds nothing at this moment may be between two messages while others wait.
  const std::uint64_t waiting = backlog.ready + backlog.due_delayed;
  return static_cast<double>(std::min<std::uint64_t>(at_most, *backlog.busy_replicas + waiting));
}

}  // namespace

void Throughput::note(const Observation& observation, base::MonoTime now) {
  const Backlog& backlog = observation.backlog;
  if (backlog.coverage != Coverage::kAll || !backlog.settled_total) {
    last_.reset();
    return;
  }
  if (last_ && last_->counted_since == backlog.counted_since &&
      last_->settled <= *backlog.settled_total && last_->at < now) {
    const double seconds = static_cast<double>(now - last_->at) / 1e9;
    const double keep = std::exp2(-seconds * 1'000 / static_cast<double>(kHalfLife.count()));
    settled_ = settled_ * keep + static_cast<double>(*backlog.settled_total - last_->settled);
    replica_seconds_ = replica_seconds_ * keep + last_->busy * seconds;
    busy_seconds_ = busy_seconds_ * keep + (last_->busy > 0 ? seconds : 0);
    watched_seconds_ = watched_seconds_ * keep + seconds;
  }
  last_ = Sample{now, *backlog.settled_total, backlog.counted_since, busy_replicas_of(observation)};
}

std::optional<double> Throughput::per_replica() const {
  if (replica_seconds_ <= 0) return std::nullopt;
  if (settled_ < kSettledMin && busy_seconds_ < kBusySecondsMin) return std::nullopt;
  return std::max(settled_, 1.0) / replica_seconds_;
}

std::optional<double> Throughput::busy_replicas() const {
  if (watched_seconds_ < kBusySecondsMin) return std::nullopt;
  return replica_seconds_ / watched_seconds_;
}

}  // namespace sluice::autoscale
