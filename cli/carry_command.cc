#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/task_run.h"

namespace sluice::cli {
namespace {

constexpr const char* kFooter =
    "Messages that a consumer has at the moment are left out; so is what comes, or dies, after "
    "the\n"
    "task began. Each goes exactly once, also when the broker is killed meanwhile. Body, key,\n"
    "group, dedup id and headers stay; the headers sluice-source and sluice-source-id tell where "
    "it\n"
    "was, and those that begin with sluice-dead- why it had died. While the target is full or\n"
    "paused the task waits; a message larger than the target takes stays where it is.\n"
    "\n"
    "Examples:\n";

void add_carry_command(CLI::App& app, Context& context, int& exit_code, client::TaskKind kind,
                       const std::string& name, const std::string& what, const TaskVerbs& verbs) {
  auto run = std::make_shared<TaskRun>();
  run->kind = kind;
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("from", run->queue, "Name of a queue; NAME/dlq = its dead letters")
      ->required();
  command->add_option("to", run->target, "Name of another queue of the same broker")->required();
  command->add_option("--subscription", run->subscription,
                      "What waits, or died, in this subscription (default: default)");
  command->add_flag("--dlq", run->dead_letters, "Dead letters instead of waiting messages");
  add_task_flags(*command, *run);
  command->footer(kFooter + ("  sluice " + name + " orders/dlq parked --reason Rejected\n") +
                  "  sluice " + name + " orders orders-eu --header region=eu --dry-run");
  command->callback(
      [run, verbs, &context, &exit_code] { exit_code = run_task(context, *run, verbs); });
}

}  // namespace

void add_copy_command(CLI::App& app, Context& context, int& exit_code) {
  add_carry_command(app, context, exit_code, client::TaskKind::kCopy, "copy",
                    "Copy messages or dead letters to another queue", {"copied", "would copy"});
}

void add_move_command(CLI::App& app, Context& context, int& exit_code) {
  add_carry_command(app, context, exit_code, client::TaskKind::kMove, "move",
                    "Move messages or dead letters to another queue", {"moved", "would move"});
}

}  // namespace sluice::cli
