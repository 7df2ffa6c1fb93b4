#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/word_advice.h"
#include "runtime/posix/frame_memory.h"

namespace sluice::cli {
namespace {

// kubectl runs `kubectl-sluice ARGUMENTS` for `kubectl sluice ARGUMENTS`.
bool called_by_kubectl(std::string_view program) {
  return program.substr(program.rfind('/') + 1) == "kubectl-sluice";
}

void add_cluster_flags(CLI::App& app, cluster::ClusterFlags& flags) {
  const auto add = [&](const char* names, std::string& value, const char* help) {
    return app
        .add_option_function<std::string>(
            names,
            [&](const std::string& given) {
              value = given;
              flags.wanted = true;
            },
            help)
        ->group("Kubernetes");
  };
  add("-n,--namespace", flags.name_space, "Find the broker in this namespace of a cluster");
  add("--context", flags.context, "Which context of the kubeconfig");
  add("--kubeconfig", flags.kubeconfig, "Which file (default: KUBECONFIG, else ~/.kube/config)")
      ->type_name("FILE");
}

// Not by the library, which would check it for commands that need no broker, as the flag's.
void take_endpoint_of_environment(Context& context) {
  const char* const given = std::getenv(kEndpointVariable);
  if (given == nullptr || *given == '\0') return;
  context.endpoint = given;
  context.endpoint_given = true;
}

void add_commands(CLI::App& app, Context& context, int& exit_code) {
  add_up_command(app, context, exit_code);
  add_pub_command(app, context, exit_code);
  add_sub_command(app, context, exit_code);
  add_peek_command(app, context, exit_code);
  add_stat_command(app, context, exit_code);
  add_queue_commands(app, context, exit_code);
  add_redrive_command(app, context, exit_code);
  add_purge_command(app, context, exit_code);
  add_copy_command(app, context, exit_code);
  add_move_command(app, context, exit_code);
  add_keys_commands(app, context, exit_code);
  add_task_commands(app, context, exit_code);
  add_cluster_commands(app, context, exit_code);
  add_log_commands(app, context, exit_code);
  add_backup_commands(app, context, exit_code);
  add_explain_command(app, context, exit_code);
  add_simulate_command(app, context, exit_code);
  add_bench_command(app, context, exit_code);
  add_completion_command(app, context, exit_code);
}

int run(int argc, char** argv) {
  const bool plugin = argc > 0 && called_by_kubectl(argv[0]);
  CLI::App app{"Durable message queues, for people.", plugin ? "kubectl sluice" : "sluice"};
  app.set_version_flag("--version", std::string("sluice ") + SLUICE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(
      "First steps:\n"
      "  sluice up -f examples/orders.yaml --data ./sluice-data\n"
      "  echo hello | sluice pub orders --lines\n"
      "  sluice sub orders --max 1\n"
      "\n"
      "In a cluster: `kubectl sluice list`, `kubectl sluice --namespace shop stat orders`.\n"
      "\n"
      "`sluice COMMAND --help` shows each command's flags and examples.\n"
      "Exit codes: 0 done, 1 the answer is no, 2 wrong flags, 65 wrong input, 69 no broker there,\n"
      "75 refused for now, 77 no key, a wrong one, or one without the role.");

  Context context;
  const CLI::Option* const endpoint =
      app.add_option("--endpoint", context.endpoint,
                     "The broker's client port (Env:SLUICE_ENDPOINT)")
          ->check(endpoint_form())
          ->capture_default_str();
  app.add_option(
         "--keys", context.keys,
         "Folder with broker.pub, client.key and endpoint; `sluice keys generate` makes one")
      ->envname("SLUICE_KEYS_DIR")
      ->type_name("DIR");
  // Secrets are no flags: everybody on the machine can read those.
  app.add_option("--broker-key", context.broker_key)->envname("SLUICE_BROKER_KEY")->group("");
  app.add_option("--client-key", context.client_key)->envname("SLUICE_CLIENT_KEY")->group("");
  context.cluster.wanted = plugin;
  add_cluster_flags(app, context.cluster);
  app.add_option("--timeout", context.timeout_seconds, "Seconds to wait for the broker's answers")
      ->envname("SLUICE_TIMEOUT")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.fallthrough();
  app.parse_complete_callback([&] {
    context.endpoint_given = endpoint->count() > 0;
    if (!context.endpoint_given) take_endpoint_of_environment(context);
  });

  int exit_code = kExitOk;
  add_commands(app, context, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // A word too many may be why another one is missed.
    const auto kind = static_cast<CLI::ExitCodes>(error.get_exit_code());
    const bool is_about_words =
        kind == CLI::ExitCodes::ExtrasError || kind == CLI::ExitCodes::RequiredError;
    const std::string advice = is_about_words ? advice_on_words(app) : "";
    if (!advice.empty()) {
      print_error(advice);
      std::fputs("Run with --help for more information.\n", stderr);
      return kExitUsage;
    }
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice: %s\n", error.what());
    return kExitFailure;
  }
  return exit_code;
}

}  // namespace
}  // namespace sluice::cli

int main(int argc, char** argv) {
  sluice::runtime::keep_memory_of_frames();
  // A reader that has gone is an error of write(), which each command ends by.
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::cli::run(argc, argv);
}
