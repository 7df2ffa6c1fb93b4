#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/task_run.h"

namespace sluice::cli {

void add_redrive_command(CLI::App& app, Context& context, int& exit_code) {
  auto run = std::make_shared<TaskRun>();
  run->kind = client::TaskKind::kRedrive;
  CLI::App* command = app.add_subcommand("redrive", "Give dead letters back to their subscription");
  command->add_option("queue", run->queue, "Name of the queue")->required();
  command->add_option("--subscription", run->subscription, "Subscription (default: default)");
  add_task_flags(*command, *run);
  command->footer(
      "Their attempts and stalls count from 0 again. The broker does the work: it goes on when\n"
      "this command is stopped, and after a restart. `sluice task` looks at it and ends it.\n"
      "\n"
      "Examples:\n"
      "  sluice redrive orders --dry-run\n"
      "  sluice redrive orders --reason AttemptsExceeded --older-than 1h --rate 100\n"
      "  sluice redrive orders --error 'connection refused'\n"
      "  sluice redrive orders --sequence 17-42,60 --header kind=created");
  command->callback([run, &context, &exit_code] {
    exit_code = run_task(context, *run, {"redrove", "would redrive"});
  });
}

}  // namespace sluice::cli
