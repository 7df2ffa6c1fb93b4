#include "operator/app/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "frontend/http/http_address.h"
#include "operator/app/exit_code.h"
#include "runtime/posix/machine_name.h"

namespace sluice::op {
namespace {

struct Texts {
  std::string log_level = "info";
  std::string log_format = "auto";
};

constexpr const char* kFooter =
    "Examples:\n"
    "  sluice-operator                                   in a pod, for the whole cluster\n"
    "  sluice-operator --namespace shop                  for the Queues of one namespace\n"
    "  sluice-operator --kubeconfig ~/.kube/config --no-leader-elect \\\n"
    "      --broker-image registry.example/sluice --broker-version 0.1.0\n"
    "\n"
    "SIGTERM and SIGINT stop it in order: calls under way end, the lease is given back.\n"
    "Exit codes: 0 stopped in order, 2 wrong flags, 65 wrong kubeconfig, 70 --exit-after-calls,\n"
    "75 the lease was lost or an address is in use.";

std::string address_problem(const std::string& text) {
  if (text.empty()) return "";
  const auto address = frontend::http::parse_http_address(text);
  return address.has_value() ? "" : address.error().message();
}

void add_cluster_flags(CLI::App& app, OperatorOptions& options) {
  app.add_option("--namespace", options.name_space,
                 "Only the Queues of this namespace; needs no rights in others")
      ->envname("SLUICE_OPERATOR_NAMESPACE")
      ->type_name("NAME");
  app.add_option("--kubeconfig", options.kubeconfig,
                 "How to reach the cluster from outside; without it, as this pod")
      ->envname("SLUICE_OPERATOR_KUBECONFIG")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  app.add_option("--context", options.context, "Of the kubeconfig; its current one by default")
      ->envname("SLUICE_OPERATOR_CONTEXT")
      ->type_name("NAME");
  app.add_flag("--leader-elect,!--no-leader-elect", options.leader_elect,
               "Hold a Lease while working, so that replicas stand by; on by default")
      ->envname("SLUICE_OPERATOR_LEADER_ELECT");
  app.add_option("--lease-name", options.lease_name, "Of that Lease")
      ->envname("SLUICE_OPERATOR_LEASE_NAME")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--lease-namespace", options.lease_namespace,
                 "Where it is; the operator's own namespace by default")
      ->envname("SLUICE_OPERATOR_LEASE_NAMESPACE")
      ->type_name("NAME");
  app.add_option("--identity", options.identity,
                 "Who holds it, as people see it; the name of the pod or of the host by default")
      ->envname("POD_NAME")
      ->type_name("NAME");
}

void add_broker_flags(CLI::App& app, OperatorOptions& options) {
  app.add_option("--broker-image", options.broker_image, "Repository of the brokers' image")
      ->envname("SLUICE_OPERATOR_BROKER_IMAGE")
      ->type_name("REPOSITORY")
      ->capture_default_str();
  app.add_option("--broker-version", options.broker_version,
                 "Its tag, for new brokers; the operator's own version by default")
      ->envname("SLUICE_OPERATOR_BROKER_VERSION")
      ->type_name("TAG");
  app.add_flag("--upgrade-brokers", options.upgrade_brokers,
               "Also move brokers that exist to that version, one shard at a time; without it they "
               "stay as they were created")
      ->envname("SLUICE_OPERATOR_UPGRADE_BROKERS");
  app.add_option("--image-pull-policy", options.image_pull_policy, "Of brokers' pods")
      ->envname("SLUICE_OPERATOR_IMAGE_PULL_POLICY")
      ->check(CLI::IsMember({"Always", "IfNotPresent", "Never"}))
      ->capture_default_str();
}

void add_process_flags(CLI::App& app, OperatorOptions& options, Texts& texts) {
  app.add_option("--listen-http", options.listen_http,
                 "Where /metrics, /healthz and /readyz are; empty = nowhere")
      ->envname("SLUICE_OPERATOR_LISTEN_HTTP")
      ->check(CLI::Validator([](std::string& text) { return address_problem(text); }, "HOST:PORT"))
      ->capture_default_str();
  app.add_option("--workers", options.workers, "Brokers that are worked on at the same time")
      ->envname("SLUICE_OPERATOR_WORKERS")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--exit-after-calls", options.exit_after_calls,
                 "For tests: the process ends at once after so many calls of reconciling")
      ->envname("SLUICE_OPERATOR_EXIT_AFTER_CALLS")
      ->type_name("N");
  app.add_option("--log-level", texts.log_level, "How much to tell on standard error")
      ->envname("SLUICE_OPERATOR_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", texts.log_format, "auto = human on a terminal, else json")
      ->envname("SLUICE_OPERATOR_LOG_FORMAT")
      ->check(CLI::IsMember({"auto", "human", "json"}))
      ->capture_default_str();
}

std::string host_name() {
  const std::string name = runtime::machine_name();
  return name.empty() ? "localhost" : name;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, std::string_view version) {
  CLI::App app{"Turns Queue objects of a Kubernetes cluster into brokers.", "sluice-operator"};
  app.set_version_flag("--version", "sluice-operator " + std::string(version));
  app.get_formatter()->column_width(36);
  app.footer(kFooter);
  OperatorOptions options;
  options.version = std::string(version);
  Texts texts;
  add_cluster_flags(app, options);
  add_broker_flags(app, options);
  add_process_flags(app, options, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? kExitOk : kExitUsage};
  }
  if (!options.context.empty() && options.kubeconfig.empty()) {
    std::fprintf(stderr, "sluice-operator: --context: there is no --kubeconfig that has it\n");
    return {std::nullopt, kExitUsage};
  }
  if (options.broker_version.empty()) options.broker_version = options.version;
  if (options.identity.empty()) options.identity = host_name();
  options.log_level = *base::parse_log_level(texts.log_level);
  options.log_format = *base::parse_log_format(texts.log_format, isatty(STDERR_FILENO) == 1);
  return {std::move(options), kExitOk};
}

}  // namespace sluice::op
