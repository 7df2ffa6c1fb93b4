#include "operator/autoscale/history.h"

#include <algorithm>

#include "operator/autoscale/answers.h"

namespace sluice::autoscale {

void History::note(const Policy& policy, const Observation& observation, base::MonoTime now) {
  throughput_.note(observation, now);
  if (ready_before_ && *ready_before_ < observation.replicas.ready) grown_at_ = now;
  ready_before_ = observation.replicas.ready;

  const Backlog& backlog = observation.backlog;
  const bool idle = backlog.coverage == Coverage::kAll && backlog.work() == 0;
  if (!idle) {
    idle_since_.reset();
  } else if (!idle_since_) {
    idle_since_ = now;
  }

  std::uint32_t replicas = answers_of(policy, observation, *this, now).largest;
  // What nobody knows may need all that is there.
  if (backlog.coverage != Coverage::kAll || backlog.paused) {
    replicas = std::max(replicas, observation.replicas.wanted);
  }
  recommendations_.add(replicas, now);
  recommendations_.prune(policy.scale_in.stabilization, now);
}

}  // namespace sluice::autoscale
