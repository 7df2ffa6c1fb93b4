#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "client/admin.h"

namespace sluice::cli {
namespace {

struct QueueFlags {
  std::string name;
  bool json = false;
  bool yes = false;
};

base::Status list(client::Connection& connection, const QueueFlags& flags) {
  ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, ""));
  nlohmann::json names = nlohmann::json::array();
  Output output;
  for (const auto& queue : document.json.value("queues", nlohmann::json::array())) {
    const std::string name = queue.value("name", "");
    if (flags.json) {
      names.push_back(name);
    } else {
      output << name << "\n";
    }
  }
  if (flags.json) output << names.dump() << "\n";
  return output.flush();
}

base::Status describe(client::Connection& connection, const QueueFlags& flags) {
  ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, flags.name));
  Output output;
  output << (flags.json ? document.text : render_queue(document.json));
  return output.flush();
}

base::Status remove(client::Connection& connection, const QueueFlags& flags) {
  client::Admin admin(connection);
  ASSIGN_OR_RETURN(const client::QueueInfo info, admin.resolve(flags.name));
  if (!flags.yes) {
    ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, flags.name));
    print_note("would delete " + flags.name + " with all it holds:");
    print_note(render_stat_table(as_queue_list(document.json)));
    print_note("Say --yes to do it.");
    return {};
  }
  RETURN_IF_ERROR(admin.delete_queue(info.id));
  print_note("deleted " + flags.name);
  return {};
}

using Action = base::Status (*)(client::Connection&, const QueueFlags&);

int run(const Context& context, const QueueFlags& flags, Action action) {
  auto connection = connect(context);
  if (!connection) return fail(connection.error());
  const base::Status status = action(**connection, flags);
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_queue_commands(CLI::App& app, Context& context, int& exit_code) {
  CLI::App* queue = app.add_subcommand("queue", "List, describe and delete queues");
  queue->require_subcommand(1);
  auto flags = std::make_shared<QueueFlags>();

  CLI::App* list_command = queue->add_subcommand("list", "Names of all queues, one a line");
  list_command->add_flag("--json", flags->json, "As a JSON array");
  list_command->footer("Examples:\n  sluice queue list");
  list_command->callback([flags, &context, &exit_code] { exit_code = run(context, *flags, list); });

  CLI::App* describe_command =
      queue->add_subcommand("describe", "Counters, consumers and settings of a queue");
  describe_command->add_option("queue", flags->name, "Name of the queue")->required();
  describe_command->add_flag("--json", flags->json, "The document of GET /api/v1/queues/NAME");
  describe_command->footer("Examples:\n  sluice queue describe orders");
  describe_command->callback(
      [flags, &context, &exit_code] { exit_code = run(context, *flags, describe); });

  CLI::App* delete_command =
      queue->add_subcommand("delete", "Delete a queue with all its messages and dead letters");
  delete_command->add_option("queue", flags->name, "Name of the queue")->required();
  delete_command->add_flag("--yes", flags->yes, "Without it, only says what would be lost");
  delete_command->footer(
      "A manifest that still names the queue creates it anew, empty, when it is read again.\n"
      "\n"
      "Examples:\n  sluice queue delete orders --yes");
  delete_command->callback([flags, &context, &exit_code] {
    exit_code = run(context, *flags, remove);
    if (exit_code == kExitOk && !flags->yes) exit_code = kExitUsage;
  });
}

}  // namespace sluice::cli
