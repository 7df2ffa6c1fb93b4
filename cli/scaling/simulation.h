#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "cli/scaling/trace.h"
#include "operator/autoscale/decide.h"

namespace sluice::cli::scaling {

struct SimulationOptions {
  std::uint32_t replicas = 0;    // at the beginning
  base::Millis start_delay{0};   // until a new replica is ready
  double rate_per_replica = 10;  // messages a second; made traces only
  base::Millis step{1'000};      // at least so often a decision is made
};

// What was decided at one moment.
struct SimulationPoint {
  base::Millis time{0};
  autoscale::Backlog backlog;
  std::uint32_t replicas = 0;  // before the decision
  std::uint32_t ready = 0;     // of them
  autoscale::Decision decision;
};

struct SimulationSummary {
  base::Millis time{0};
  std::uint32_t scale_outs = 0;
  std::uint32_t scale_ins = 0;
  std::uint32_t replicas_max = 0;
  double replica_seconds = 0;
  std::uint64_t work_max = 0;
  std::optional<base::Millis> oldest_max;
};

struct SimulationResult {
  std::vector<SimulationPoint> points;
  SimulationSummary summary;
};

// Replays a trace against a policy with the operator's own decide(). Every decision is carried out
// at once, scale-in without the time that draining takes; ready replicas follow after
// `start_delay`. In a made trace each ready replica settles messages at its rate, the oldest first.
SimulationResult simulate(const autoscale::Policy& policy, const Trace& trace,
                          const SimulationOptions& options);

}  // namespace sluice::cli::scaling
