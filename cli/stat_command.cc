#include <time.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/queue_address.h"
#include "cli/session.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "cli/stop_signal.h"
#include "cli/terminal.h"

namespace sluice::cli {
namespace {

constexpr base::Millis kWatchInterval{1'000};
constexpr char kClearScreen[] = "\033[H\033[2J";

struct StatFlags {
  std::string queue;
  bool json = false;
  bool watch = false;
};

base::Status show(client::Connection& connection, const StatFlags& flags, Output& output) {
  ASSIGN_OR_RETURN(StatDocument document, read_stat(connection, flags.queue));
  if (flags.json) {
    // One document a line, so that a program can follow --watch.
    output << (flags.watch ? document.json.dump() + "\n" : document.text);
  } else {
    if (flags.watch && stdout_is_terminal()) output << kClearScreen;
    output << render_stat_table(as_queue_list(std::move(document.json)));
  }
  RETURN_IF_ERROR(output.flush());
  base::Status complete = check_complete(document.missing);
  if (!flags.watch || complete.has_value()) return complete;
  print_note(complete.error().message());  // it may come back
  return {};
}

base::Status pause(client::Connection& connection) {
  const base::MonoTime until = connection.now() + kWatchInterval;
  while (!stop_requested() && connection.now() < until) {
    RETURN_IF_ERROR(connection.poll(base::Millis(100)));
  }
  return {};
}

base::Status run(client::Connection& connection, const StatFlags& flags) {
  Output output;
  RETURN_IF_ERROR(show(connection, flags, output));
  while (flags.watch) {
    RETURN_IF_ERROR(pause(connection));
    if (stop_requested()) break;
    RETURN_IF_ERROR(show(connection, flags, output));
  }
  return {};
}

int run_stat(const Context& context, const StatFlags& flags) {
  if (flags.watch) catch_stop_signals();
  auto connection = connect(context, flags.queue);
  if (!connection) return fail(connection.error());
  const base::Status status = run(**connection, flags);
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_stat_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<StatFlags>();
  CLI::App* command = app.add_subcommand("stat", "Show how many messages wait, and for whom");
  command->add_option("queue", flags->queue, "Only this queue");
  command->add_flag("--json", flags->json, "The document of GET /api/v1/queues");
  command->add_flag("--watch", flags->watch, "Again every second, until ^C");
  command->footer(
      "Examples:\n"
      "  sluice stat\n"
      "  sluice stat orders --json | jq '.subscriptions[0].messages.ready'\n"
      "  sluice stat --watch");
  command->callback([flags, &context, &exit_code] { exit_code = run_stat(context, *flags); });
}

}  // namespace sluice::cli
