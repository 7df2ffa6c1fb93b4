#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/shard_brokers.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "cli/task_output.h"
#include "cli/text_table.h"
#include "client/admin.h"

namespace sluice::cli {
namespace {

struct TaskFlags {
  std::string queue;
  std::string task;
  bool json = false;
};

// The tasks of all queues (or of one), each with the name of its queue.
base::Result<nlohmann::json> read_tasks(client::Connection& connection, const std::string& queue,
                                        std::vector<MissingShard>& missing) {
  ASSIGN_OR_RETURN(StatDocument document, read_stat(connection, queue));
  missing = std::move(document.missing);
  nlohmann::json tasks = nlohmann::json::array();
  const nlohmann::json list = as_queue_list(std::move(document.json));
  for (const auto& one : list.value("queues", nlohmann::json::array())) {
    for (nlohmann::json task : one.value("tasks", nlohmann::json::array())) {
      task["queue"] = one.value("name", "");
      tasks.push_back(std::move(task));
    }
  }
  return tasks;
}

// "Running", with what it waits for.
std::string state_of(const nlohmann::json& task) {
  const std::string waits_for = task.value("waitsFor", "");
  return task.value("state", "") + (waits_for.empty() ? "" : ": " + waits_for);
}

std::string render_tasks(const nlohmann::json& tasks) {
  TextTable table({"TASK", "QUEUE", "KIND", "OF", "TO", "STATE", ">MATCHED", ">DONE"});
  for (const auto& task : tasks) {
    const std::string subscription = task.value("subscription", "");
    const std::string of = subscription.empty() ? "all" : subscription;
    table.add({task.value("task", ""), task.value("queue", ""), task.value("kind", ""),
               of + (task.value("deadLetters", false) ? "/dlq" : ""), task.value("target", ""),
               state_of(task), format_count(task.value("matched", std::uint64_t{0})),
               format_count(task.value("done", std::uint64_t{0}))});
  }
  return table.render();
}

base::Status list_tasks(client::Connection& connection, const TaskFlags& flags) {
  std::vector<MissingShard> missing;
  ASSIGN_OR_RETURN(const nlohmann::json tasks, read_tasks(connection, flags.queue, missing));
  Output output;
  output << (flags.json ? tasks.dump() + "\n" : render_tasks(tasks));
  RETURN_IF_ERROR(output.flush());
  return check_complete(missing);
}

base::Status show_task(client::Connection& connection, const TaskFlags& flags) {
  std::vector<MissingShard> missing;
  ASSIGN_OR_RETURN(const nlohmann::json tasks, read_tasks(connection, "", missing));
  for (const auto& task : tasks) {
    if (task.value("task", "") != flags.task) continue;
    Output output;
    output << (flags.json ? task.dump() + "\n" : render_tasks(nlohmann::json::array({task})));
    return output.flush();
  }
  RETURN_IF_ERROR(check_complete(missing));  // it may be there
  return base::not_found("no task " + flags.task +
                         " runs, or ended lately since the broker was started");
}

// Whichever broker has it: those of the first queue are all that share queues with this one.
base::Result<client::TaskStatus> cancel_at(client::Connection& connection,
                                           const base::TaskId& task) {
  auto here = client::Admin(connection).cancel_task(task);
  if (here.has_value() || here.error().code() != base::ErrorCode::kNotFound) return here;
  ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, ""));
  for (const auto& queue : document.json.value("queues", nlohmann::json::array())) {
    ASSIGN_OR_RETURN(const ShardBrokers brokers,
                     reachable_brokers_of(connection, queue.value("name", "")));
    for (const ShardBroker& broker : brokers.there) {
      if (broker.connection == &connection) continue;  // asked already
      auto there = client::Admin(*broker.connection).cancel_task(task);
      if (there.has_value()) return there;
    }
    RETURN_IF_ERROR(check_complete(brokers.missing));
    break;
  }
  return here;
}

base::Status cancel_task(client::Connection& connection, const TaskFlags& flags) {
  ASSIGN_OR_RETURN(const base::Id128 id, base::Id128::from_hex(flags.task));
  ASSIGN_OR_RETURN(const client::TaskStatus task, cancel_at(connection, base::TaskId(id)));
  Output output;
  output << (flags.json ? task_json(task)
                        : "cancelled after " + format_count(task.done) + " messages\n");
  return output.flush();
}

}  // namespace

void add_task_commands(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<TaskFlags>();
  CLI::App* task =
      app.add_subcommand("task", "Redrives, purges, copies and moves that run, or ended lately");
  task->require_subcommand(1);
  const auto add = [&](CLI::App* command, auto run) {
    command->add_flag("--json", flags->json, "As JSON");
    command->callback([flags, &context, &exit_code, run] {
      auto connection = connect(context, flags->queue);
      if (!connection) {
        exit_code = fail(connection.error());
        return;
      }
      const base::Status status = run(**connection, *flags);
      exit_code = status.has_value() ? kExitOk : fail(status.error());
    });
  };
  CLI::App* list = task->add_subcommand("list", "Those of all queues, or of one");
  list->add_option("queue", flags->queue, "Only of this queue");
  add(list, list_tasks);
  CLI::App* show = task->add_subcommand("show", "One of them");
  show->add_option("task", flags->task, "Its id")->required();
  add(show, show_task);
  CLI::App* cancel = task->add_subcommand("cancel", "End one that runs; what it has done stays");
  cancel->add_option("task", flags->task, "Its id")->required();
  add(cancel, cancel_task);
  task->footer(
      "Of those that ended the broker remembers the last 20 of each queue, until it ends itself.\n"
      "\n"
      "Examples:\n"
      "  sluice task list orders\n"
      "  sluice task cancel 5f0c2a9e41d84b7788d3f2a6c01b9e57");
}

}  // namespace sluice::cli
