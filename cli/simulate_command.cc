#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <string>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/output.h"
#include "cli/scaling/decision_report.h"
#include "cli/scaling/policy_file.h"
#include "cli/scaling/simulation.h"
#include "cli/scaling/trace.h"

namespace sluice::cli {
namespace {

struct SimulateFlags {
  std::string trace;
  std::string policy;
  std::string queue;
  std::string subscription;
  std::string svg;
  std::string start_delay = "5s";
  double rate = 10;
  std::uint32_t replicas = 0;
  bool json = false;
};

base::Status write_plot(const std::string& path, const std::string& picture) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << picture;
  out.close();
  if (!out) return base::not_found("cannot write " + path);
  return {};
}

base::Status simulate_scaling(const SimulateFlags& flags) {
  ASSIGN_OR_RETURN(const scaling::NamedPolicy policy,
                   scaling::read_policy(flags.policy, flags.queue, flags.subscription));
  ASSIGN_OR_RETURN(const std::string text, scaling::read_text_file(flags.trace));
  ASSIGN_OR_RETURN(const scaling::Trace trace, scaling::parse_trace(flags.trace, text));
  scaling::SimulationOptions options;
  options.replicas = flags.replicas;
  options.rate_per_replica = flags.rate;
  ASSIGN_OR_RETURN(options.start_delay, base::parse_duration(flags.start_delay));
  const scaling::SimulationResult result = scaling::simulate(policy.policy, trace, options);
  if (!flags.svg.empty()) {
    RETURN_IF_ERROR(write_plot(
        flags.svg, scaling::decision_plot(
                       result, policy.queue + "/" + policy.subscription + ", " + flags.trace)));
  }
  Output output;
  output << (flags.json ? scaling::decision_json(result) : scaling::decision_table(result));
  return output.flush();
}

}  // namespace

void add_simulate_command(CLI::App& app, Context& /*context*/, int& exit_code) {
  auto flags = std::make_shared<SimulateFlags>();
  CLI::App* command = app.add_subcommand(
      "simulate-scaling", "What the autoscaler would decide over a recorded or made trace");
  command->add_option("--trace", flags->trace, "CSV or JSON lines: docs/autoscaling.md")
      ->required()
      ->type_name("FILE")
      ->check(no_folder());
  command->add_option("--policy", flags->policy, "Manifest of a Queue with consumers")
      ->required()
      ->type_name("FILE")
      ->check(no_folder());
  command->add_option("--queue", flags->queue, "Of several in the manifest");
  command->add_option("--subscription", flags->subscription, "Of several with consumers");
  command->add_option("--replicas", flags->replicas, "At the beginning")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  command->add_option("--start-delay", flags->start_delay, "Until a new replica is ready")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const auto parsed = base::parse_duration(text);
            return parsed ? std::string() : parsed.error().message();
          },
          "DURATION"))
      ->capture_default_str();
  command
      ->add_option("--rate", flags->rate,
                   "Messages a second that a replica settles; for traces of arrivals")
      ->check(CLI::Range(0.000001, 1e9))
      ->capture_default_str();
  command->add_option("--svg", flags->svg, "Write a picture to this file too")
      ->type_name("FILE")
      ->check(no_folder());
  command->add_flag("--json", flags->json, "One JSON document");
  command->footer(
      "Examples:\n"
      "  sluice simulate-scaling --trace examples/scaling/burst.csv --policy examples/orders.yaml\n"
      "  sluice simulate-scaling --trace day.jsonl --policy orders.yaml --svg day.svg");
  command->callback([flags, &exit_code] {
    const base::Status status = simulate_scaling(*flags);
    exit_code = status.has_value() ? kExitOk : fail(status.error());
  });
}

}  // namespace sluice::cli
