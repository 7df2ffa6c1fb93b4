#pragma once

#include <string>

#include "cli/scaling/simulation.h"

// What a simulation found out, as text. docs/autoscaling.md shows how to read it.
namespace sluice::cli::scaling {

// A row whenever the decision, its reason or its limit changes; then the summary.
std::string decision_table(const SimulationResult& result);
// One JSON document: "decisions", as the table, and "summary".
std::string decision_json(const SimulationResult& result);
// A picture: the work above, the replicas below, over time.
std::string decision_plot(const SimulationResult& result, const std::string& title);

}  // namespace sluice::cli::scaling
