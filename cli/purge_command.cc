#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/queue_address.h"
#include "cli/session.h"
#include "cli/shard_brokers.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "cli/task_run.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

struct PurgeFlags {
  TaskRun run;
  bool yes = false;
};

// What stands there now, on stderr: a purge cannot be undone.
base::Status warn(client::Connection& connection, const TaskRun& run,
                  std::optional<base::ShardIndex> shard) {
  const QueueAddress address = parse_queue_address(run.queue);
  if (shard) {
    ASSIGN_OR_RETURN(const ShardBrokers broker,
                     reachable_brokers_of(connection, address.queue, shard));
  }
  const std::string& subscription =
      run.subscription.empty() ? address.subscription : run.subscription;
  ASSIGN_OR_RETURN(StatDocument document, read_stat(connection, address.queue));
  print_note(std::string("would remove ") + (is_empty(run.selector) ? "all " : "the chosen ") +
             (address.dead_letters || run.dead_letters ? "dead letters" : "waiting messages") +
             " of " + (subscription.empty() ? "every subscription" : subscription) + ":");
  print_note(render_stat_table(as_queue_list(std::move(document.json))));
  print_note("Say --yes to do it, or --dry-run to count.");
  base::Status complete = check_complete(document.missing);
  if (!shard) return complete;
  // The numbers are without theirs; what is to be removed is not.
  if (!complete.has_value()) print_note(complete.error().to_string());
  return {};
}

int run_purge(const Context& context, const PurgeFlags& flags) {
  if (flags.yes || flags.run.dry_run) {
    return run_task(context, flags.run, {"removed", "would remove"});
  }
  // What --yes would refuse is refused without it, too.
  const auto selector = selector_from(flags.run.selector, runtime::SystemClock().wall_now());
  if (!selector) {
    print_error(selector.error());
    return kExitUsage;
  }
  auto connection = connect(context, flags.run.queue);
  if (!connection) return fail(connection.error());
  const base::Status warned = warn(**connection, flags.run, selector->shard);
  return warned.has_value() ? kExitUsage : fail(warned.error());
}

}  // namespace

void add_purge_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<PurgeFlags>();
  TaskRun& run = flags->run;
  run.kind = client::TaskKind::kPurge;
  CLI::App* command = app.add_subcommand("purge", "Remove waiting messages or dead letters");
  command->add_option("queue", run.queue, "Name of the queue; NAME/dlq = its dead letters")
      ->required();
  command->add_option("--subscription", run.subscription,
                      "Only of this subscription (default: all)");
  command->add_flag("--dlq", run.dead_letters, "Dead letters instead of waiting messages");
  add_task_flags(*command, run);
  command->add_flag("--yes", flags->yes, "Without it, only says what would be removed");
  command->footer(
      "Messages that a consumer has at the moment stay. There is no way back.\n"
      "\n"
      "Examples:\n"
      "  sluice purge orders --yes\n"
      "  sluice purge orders --newer-than 10m --dry-run\n"
      "  sluice purge orders/dlq --reason Expired --older-than 7d --yes");
  command->callback([flags, &context, &exit_code] { exit_code = run_purge(context, *flags); });
}

}  // namespace sluice::cli
