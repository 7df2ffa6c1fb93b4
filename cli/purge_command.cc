#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/queue_address.h"
#include "cli/selector_flags.h"
#include "cli/session.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "cli/task_output.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

struct PurgeFlags {
  std::string queue;
  std::string subscription;
  bool dead_letters = false;
  SelectorFlags selector;
  bool yes = false;
  bool json = false;
};

// What stands there now, on stderr: a purge cannot be undone.
base::Status warn(client::Connection& connection, const QueueAddress& address,
                  const PurgeFlags& flags) {
  ASSIGN_OR_RETURN(StatDocument document, read_stat(connection, address.queue));
  const bool chosen = !flags.selector.reason.empty() || !flags.selector.sequences.empty() ||
                      !flags.selector.header.empty() || !flags.selector.older_than.empty();
  print_note(std::string("would remove ") + (chosen ? "the chosen " : "all ") +
             (address.dead_letters ? "dead letters" : "waiting messages") + " of " +
             (flags.subscription.empty() ? "every subscription" : flags.subscription) + ":");
  print_note(render_stat_table(as_queue_list(std::move(document.json))));
  print_note("Say --yes to do it.");
  return {};
}

base::Result<client::TaskStatus> purge(client::Connection& connection, const QueueAddress& address,
                                       const PurgeFlags& flags, const client::Selector& selector) {
  client::Admin admin(connection);
  ASSIGN_OR_RETURN(const client::QueueInfo info, admin.resolve(address.queue));
  client::PurgeOptions options;
  options.queue = info.id;
  options.subscription = flags.subscription;
  options.dead_letters = address.dead_letters;
  options.selector = selector;
  return admin.purge(options, kForever);
}

int run_purge(const Context& context, const PurgeFlags& flags) {
  const auto selector = selector_from(flags.selector, runtime::SystemClock().wall_now());
  if (!selector) {
    print_error(selector.error());
    return kExitUsage;
  }
  QueueAddress address = parse_queue_address(flags.queue);
  address.dead_letters |= flags.dead_letters;
  auto connection = connect(context);
  if (!connection) return fail(connection.error());
  if (!flags.yes) {
    const base::Status warned = warn(**connection, address, flags);
    return warned.has_value() ? kExitUsage : fail(warned.error());
  }
  const auto task = purge(**connection, address, flags, *selector);
  if (!task) return fail(task.error());
  Output output;
  output << (flags.json ? task_json(*task) : task_sentence(*task, "removed") + "\n");
  const base::Status written = output.flush();
  return written.has_value() ? exit_code_of(*task) : fail(written.error());
}

}  // namespace

void add_purge_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<PurgeFlags>();
  CLI::App* command = app.add_subcommand("purge", "Remove waiting messages or dead letters");
  command->add_option("queue", flags->queue, "Name of the queue; NAME/dlq = its dead letters")
      ->required();
  command->add_option("--subscription", flags->subscription,
                      "Only of this subscription (default: all)");
  command->add_flag("--dlq", flags->dead_letters, "Dead letters instead of waiting messages");
  add_selector_flags(*command, flags->selector);
  command->add_flag("--yes", flags->yes, "Without it, only says what would be removed");
  command->add_flag("--json", flags->json, "Print task, state, matched and done as JSON");
  command->footer(
      "Messages that a consumer has at the moment stay. There is no way back.\n"
      "\n"
      "Examples:\n"
      "  sluice purge orders --yes\n"
      "  sluice purge orders/dlq --reason Expired --older-than 7d --yes");
  command->callback([flags, &context, &exit_code] { exit_code = run_purge(context, *flags); });
}

}  // namespace sluice::cli
