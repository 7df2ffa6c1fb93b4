#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/sibling_program.h"
#include "cli/stop_signal.h"
#include "storage/log_format.h"

namespace sluice::cli {
namespace {

struct UpOptions {
  std::vector<std::string> files;
  std::string data = "./sluice-data";
  std::string keys;
  std::string host = "127.0.0.1";
  std::uint16_t port = 7650;
  std::uint16_t control_port = 7651;
  std::uint16_t http_port = 7652;
  std::uint32_t log_feature_level = 0;  // 0 = not given
  bool insecure_plain_text = false;
};

// Becomes the sidecar: signals, exit code and output are its own.
// `keys` = of all commands, where this one was given none.
int run_up(const UpOptions& options, const std::string& keys) {
  if (std::error_code error; std::filesystem::exists(options.data, error) &&
                             !std::filesystem::is_directory(options.data, error)) {
    print_error("--data: " + options.data + " is a file; the log needs a folder");
    return kExitUsage;
  }
  const auto program = sibling_program("sluice-sidecar");
  if (!program) return fail(program.error());
  const auto address = [&](std::uint16_t port) {
    return options.host + ":" + std::to_string(port);
  };
  std::vector<std::string> arguments = {*program,    "broker",
                                        "--data",    options.data,
                                        "--listen",  "tcp://" + address(options.port),
                                        "--control", "tcp://" + address(options.control_port),
                                        "--http",    address(options.http_port)};
  for (const std::string& file : options.files) {
    arguments.emplace_back("-f");
    arguments.push_back(file);
  }
  if (options.log_feature_level > 0) {
    arguments.emplace_back("--log-feature-level");
    arguments.push_back(std::to_string(options.log_feature_level));
  }
  if (!keys.empty() || !options.keys.empty()) {
    arguments.emplace_back("--keys");
    arguments.push_back(options.keys.empty() ? keys : options.keys);
  }
  if (options.insecure_plain_text) arguments.emplace_back("--insecure-plain-text");
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  reset_signals_for_child();
  execv(pointers[0], pointers.data());
  return fail(base::io_error("starting " + *program, errno));
}

}  // namespace

void add_up_command(CLI::App& app, Context& context, int& exit_code) {
  auto options = std::make_shared<UpOptions>();
  CLI::App* command = app.add_subcommand("up", "Run a broker on this machine, in the foreground");
  command
      ->add_option("-f,--file", options->files,
                   "Queue manifest, or a folder of them; may repeat. Kubernetes takes the same")
      ->type_name("FILE|DIR");
  command->add_option("--data", options->data, "Folder of the log; created if missing")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--keys", options->keys,
                   "Folder of the broker's keys and of who may come (docs/access.md)")
      ->type_name("DIR");
  command->add_option("--host", options->host, "Address to listen on")->capture_default_str();
  command->add_option("--port", options->port, "Client port; 0 takes a free one")
      ->capture_default_str();
  command->add_option("--control-port", options->control_port, "Control port; 0 takes a free one")
      ->capture_default_str();
  command
      ->add_option("--http-port", options->http_port,
                   "Port of /healthz, /readyz, /metrics and /api/v1; 0 takes a free one")
      ->capture_default_str();
  command
      ->add_option("--log-feature-level", options->log_feature_level,
                   "Raise the log to this level, for good: older versions no longer read it")
      ->check(CLI::Range(1U, storage::kFeatureLevelSupported));
  command->add_flag("--insecure-plain-text", options->insecure_plain_text,
                    "Allow a --host that others can reach without keys: anybody can do anything");
  command->footer(
      "Examples:\n"
      "  sluice up -f examples/orders.yaml --data ./sluice-data\n"
      "  sluice up -f queues/ --port 7750 --http-port 7752\n"
      "  sluice up -f queues/ --host 0.0.0.0 --keys ./broker-keys");
  command->callback(
      [options, &context, &exit_code] { exit_code = run_up(*options, context.keys); });
}

}  // namespace sluice::cli
