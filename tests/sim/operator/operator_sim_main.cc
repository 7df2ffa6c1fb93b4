#include "tests/sim/operator/planted_bugs.h"
#include "tests/sim/operator/scenario.h"
#include "tests/sim/operator/world.h"
#include "tests/sim/sim_main.h"

namespace sluice::sim {
namespace {

Program program() {
  Program program;
  program.name = "operator_sim";
  program.about =
      "The operator in a simulated cluster: whatever a seed draws goes wrong, then nothing does, "
      "and everything has to be right.";
  for (const Workload& one : workloads()) program.workloads.push_back({one.name, one.about});
  program.faults = fault_choices();
  program.bugs = bug_choices();
  program.check_scenario = [](const std::string& text) -> std::optional<std::string> {
    const auto scenario = parse_scenario(text);
    if (scenario.has_value()) return std::nullopt;
    return scenario.error().message();
  };
  program.run = [](const Request& request) { return World(request).run(); };
  return program;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  return sluice::sim::sim_main(sluice::sim::program(), argc, argv);
}
