#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "tests/sim/operator/consumers_sim.h"

namespace sluice::sim {

// One thing that happens at its time.
struct ScenarioStep {
  base::Millis at{0};  // since the begin
  std::vector<std::string> words;
};

// A run whose events are written down instead of drawn: docs/simulation.md, "Scenarios".
struct Scenario {
  std::vector<QueueSlot> slots;
  std::size_t operators = 1;
  std::vector<ScenarioStep> steps;
  base::Millis end{0};  // of the faults: some time after the last step
};

// InvalidArgument names the line.
base::Result<Scenario> parse_scenario(const std::string& text);

}  // namespace sluice::sim
