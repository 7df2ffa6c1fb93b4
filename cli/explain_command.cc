#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/cluster/cluster.h"
#include "cli/cluster/queue_access.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/output.h"
#include "cli/scaling/explanation.h"
#include "cli/scaling/policy_file.h"
#include "cli/session.h"
#include "cli/stat_document.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

struct ExplainFlags {
  std::string queue;
  std::string subscription;
  std::string manifest;
  std::string object;
  std::uint32_t replicas = 0;
  bool json = false;
};

base::Result<nlohmann::json> read_object(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  } else {
    ASSIGN_OR_RETURN(text, scaling::read_text_file(path));
  }
  nlohmann::json object = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) return base::invalid_argument(path + " is no JSON");
  return object;
}

// By the manifest, and by what the broker at the endpoint holds.
base::Result<scaling::StatusExplanation> explain_broker(const Context& context,
                                                        const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const scaling::NamedPolicy policy,
                   scaling::read_policy(flags.manifest, flags.queue, flags.subscription));
  ASSIGN_OR_RETURN(const Session connection, connect(context, policy.queue));
  ASSIGN_OR_RETURN(const StatDocument statistics, read_stat(*connection, policy.queue));
  return scaling::explain_now(policy, statistics.json, flags.replicas);
}

// The object in a file, or as its cluster has it.
base::Result<nlohmann::json> queue_object(const Context& context, const ExplainFlags& flags) {
  if (!flags.object.empty()) return read_object(flags.object);
  ASSIGN_OR_RETURN(const auto cluster, cluster::Cluster::open(context.cluster));
  return cluster::find_queue(cluster->api(), cluster->name_space(), flags.queue);
}

base::Result<scaling::StatusExplanation> explain_object(const Context& context,
                                                        const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const nlohmann::json object, queue_object(context, flags));
  return scaling::explain_status(object, flags.subscription, runtime::SystemClock().wall_now());
}

int run_explain(const Context& context, const ExplainFlags& flags) {
  const auto told =
      flags.manifest.empty() ? explain_object(context, flags) : explain_broker(context, flags);
  if (!told) return fail(told.error());
  Output output;
  output << (flags.json
                 ? told->json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
                 : told->text);
  const base::Status written = output.flush();
  return written.has_value() ? kExitOk : fail(written.error());
}

}  // namespace

void add_explain_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<ExplainFlags>();
  CLI::App* command =
      app.add_subcommand("explain", "Why a queue's consumers are as many as they are");
  command->add_option("queue", flags->queue, "Name of the queue");
  command->add_option("--subscription", flags->subscription, "Only of this one");
  CLI::Option* manifest =
      command
          ->add_option("-f,--file", flags->manifest,
                       "Manifest: tell what would be decided now, by what the broker holds")
          ->type_name("FILE")
          ->check(no_folder());
  CLI::Option* object =
      command
          ->add_option("--object", flags->object,
                       "The Queue as JSON (- = standard input): tell what was decided last")
          ->type_name("FILE")
          ->check(no_folder());
  manifest->excludes(object);
  command->add_option("--replicas", flags->replicas, "With --file: that there are now")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "One JSON document");
  command->footer(
      "In a cluster the Queue is read there.\n"
      "\n"
      "Examples:\n"
      "  kubectl sluice --namespace shop explain orders\n"
      "  sluice explain orders -f examples/orders.yaml --replicas 2\n"
      "  kubectl get queue orders -o json | sluice explain --object -");
  command->callback([flags, manifest, object, &context, &exit_code] {
    const bool in_cluster = context.cluster.wanted && !flags->queue.empty();
    if (manifest->count() + object->count() == 0 && !in_cluster) {
      throw CLI::ValidationError(
          "explain", "one of --file, --object, and a queue with --namespace is required");
    }
    exit_code = run_explain(context, *flags);
  });
}

}  // namespace sluice::cli
