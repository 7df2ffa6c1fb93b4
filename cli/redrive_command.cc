#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/queue_address.h"
#include "cli/selector_flags.h"
#include "cli/session.h"
#include "cli/task_output.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

struct RedriveFlags {
  std::string queue;
  std::string subscription;
  SelectorFlags selector;
  bool dry_run = false;
  std::uint32_t rate = 0;
  bool no_wait = false;
  bool json = false;
};

base::Result<client::TaskStatus> redrive(client::Connection& connection, const RedriveFlags& flags,
                                         const client::Selector& selector) {
  client::Admin admin(connection);
  ASSIGN_OR_RETURN(const client::QueueInfo info,
                   admin.resolve(parse_queue_address(flags.queue).queue));
  client::RedriveOptions options;
  options.queue = info.id;
  options.subscription = flags.subscription;
  options.selector = selector;
  options.dry_run = flags.dry_run;
  options.rate_per_second_max = flags.rate;
  return admin.redrive(options, flags.no_wait ? base::Millis(0) : kForever);
}

int run_redrive(const Context& context, const RedriveFlags& flags) {
  const auto selector = selector_from(flags.selector, runtime::SystemClock().wall_now());
  if (!selector) {
    print_error(selector.error());
    return kExitUsage;
  }
  auto connection = connect(context);
  if (!connection) return fail(connection.error());
  const auto task = redrive(**connection, flags, *selector);
  if (!task) return fail(task.error());
  Output output;
  if (flags.json) {
    output << task_json(*task);
  } else if (flags.dry_run) {
    output << "would redrive " << format_count(task->matched)
           << (task->matched == 1 ? " message\n" : " messages\n");
  } else {
    output << task_sentence(*task, "redrove") << "\n";
  }
  const base::Status written = output.flush();
  return written.has_value() ? exit_code_of(*task) : fail(written.error());
}

}  // namespace

void add_redrive_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<RedriveFlags>();
  CLI::App* command = app.add_subcommand("redrive", "Give dead letters back to their subscription");
  command->add_option("queue", flags->queue, "Name of the queue")->required();
  command->add_option("--subscription", flags->subscription, "Subscription (default: default)");
  add_selector_flags(*command, flags->selector);
  command->add_flag("--dry-run", flags->dry_run, "Only count them");
  command->add_option("--rate", flags->rate, "At most so many a second (default: no limit)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--no-wait", flags->no_wait, "Return when the task has begun");
  command->add_flag("--json", flags->json, "Print task, state, matched and done as JSON");
  command->footer(
      "Their attempts and stalls count from 0 again. The broker does the work: it goes on when\n"
      "this command is stopped, and after a restart.\n"
      "\n"
      "Examples:\n"
      "  sluice redrive orders --dry-run\n"
      "  sluice redrive orders --reason AttemptsExceeded --older-than 1h --rate 100\n"
      "  sluice redrive orders --sequence 17-42 --header kind=created");
  command->callback([flags, &context, &exit_code] { exit_code = run_redrive(context, *flags); });
}

}  // namespace sluice::cli
