#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/shard_brokers.h"
#include "cli/stat_document.h"
#include "cli/stat_table.h"
#include "cli/wall_text.h"
#include "client/admin.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

struct QueueFlags {
  std::string name;
  std::string subscription = "default";
  std::string to;
  bool json = false;
  bool yes = false;
  bool of_all = false;  // no subscription was named
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
  RETURN_IF_ERROR(output.flush());
  return check_complete(document.missing);
}

base::Status describe(client::Connection& connection, const QueueFlags& flags) {
  ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, flags.name));
  Output output;
  output << (flags.json ? document.text : render_queue(document.json));
  RETURN_IF_ERROR(output.flush());
  return check_complete(document.missing);
}

base::Status remove(client::Connection& connection, const QueueFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<ShardBroker> brokers, brokers_of(connection, flags.name));
  if (!flags.yes) {
    ASSIGN_OR_RETURN(const StatDocument document, read_stat(connection, flags.name));
    print_note("would delete " + flags.name + " with all it holds:");
    print_note(render_stat_table(as_queue_list(document.json)));
    print_note("Say --yes to do it.");
    return {};
  }
  for (const ShardBroker& broker : brokers) {
    RETURN_IF_ERROR(client::Admin(*broker.connection).delete_queue(broker.queue.id));
  }
  print_note("deleted " + flags.name);
  return {};
}

// "first", "end", "sequence:N" or "time:2026-01-31T12:00:00Z".
struct Place {
  client::Admin::SeekTo to = client::Admin::SeekTo::kEnd;
  std::uint64_t value = 0;
};
base::Result<Place> parse_place(const std::string& text) {
  using To = client::Admin::SeekTo;
  constexpr std::string_view kSequence = "sequence:";
  constexpr std::string_view kTime = "time:";
  if (text == "first") return Place{To::kFirst, 0};
  if (text == "end") return Place{To::kEnd, 0};
  if (text.starts_with(kSequence)) {
    std::uint64_t sequence = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + kSequence.size(), end, sequence);
    if (parsed.ec == std::errc() && parsed.ptr == end && sequence > 0) {
      return Place{To::kSequence, sequence};
    }
  }
  if (text.starts_with(kTime)) {
    const auto time = parse_wall(std::string_view(text).substr(kTime.size()));
    if (!time) return time.error().with_prefix("--to");
    return Place{To::kTime, static_cast<std::uint64_t>(std::max<std::int64_t>(0, time->value()))};
  }
  return base::invalid_argument(
      "--to: allowed are first, end, sequence:N and time:2026-01-31T12:00:00Z");
}

// What became of a place that the shard does not have yet.
std::string beyond_the_end(const Place& place, base::Sequence stands) {
  using To = client::Admin::SeekTo;
  if (place.to == To::kSequence && stands.value() < place.value) {
    return ", its end: there is no sequence " + std::to_string(place.value) + " yet";
  }
  const bool is_ahead = place.to == To::kTime && runtime::SystemClock().wall_now().value() <
                                                     static_cast<std::int64_t>(place.value);
  return is_ahead ? ", its end: that time is still to come" : "";
}

base::Status seek(client::Connection& connection, const QueueFlags& flags, const Place& place) {
  ASSIGN_OR_RETURN(const std::vector<ShardBroker> brokers, brokers_of(connection, flags.name));
  for (const ShardBroker& broker : brokers) {
    client::Admin admin(*broker.connection);
    for (const std::uint16_t shard : broker.shards) {
      ASSIGN_OR_RETURN(const base::Sequence sequence,
                       admin.seek(broker.queue.id, flags.subscription, base::ShardIndex(shard),
                                  place.to, place.value));
      print_note(flags.subscription + " of " + flags.name + ", shard " + std::to_string(shard) +
                 ": stands at sequence " + std::to_string(sequence.value()) +
                 beyond_the_end(place, sequence));
    }
  }
  return {};
}

// How many there were.
base::Result<std::uint64_t> discard_damaged(client::Connection& connection,
                                            const QueueFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<ShardBroker> brokers, brokers_of(connection, flags.name));
  const std::string subscription = flags.of_all ? "" : flags.subscription;
  std::uint64_t messages = 0;
  for (const ShardBroker& broker : brokers) {
    client::Admin admin(*broker.connection);
    ASSIGN_OR_RETURN(const std::uint64_t here,
                     admin.discard_damaged(broker.queue.id, subscription, !flags.yes));
    messages += here;
  }
  if (flags.json) {
    std::printf("{\"messages\":%llu,\"discarded\":%s}\n", static_cast<unsigned long long>(messages),
                flags.yes ? "true" : "false");
    return messages;
  }
  print_note(format_count(messages) + " damaged " + (messages == 1 ? "message" : "messages") +
             (flags.yes      ? " discarded"
              : messages > 0 ? " would be discarded; say --yes"
                             : ""));
  return messages;
}

int run_discard(const Context& context, const QueueFlags& flags) {
  auto connection = connect(context, flags.name);
  if (!connection) return fail(connection.error());
  const auto messages = discard_damaged(**connection, flags);
  if (!messages) return fail(messages.error());
  return *messages > 0 && !flags.yes ? kExitUsage : kExitOk;
}

template <typename Action>
int run(const Context& context, const QueueFlags& flags, const Action& action) {
  auto connection = connect(context, flags.name);
  if (!connection) return fail(connection.error());
  const base::Status status = action(**connection, flags);
  return status.has_value() ? kExitOk : fail(status.error());
}

int run_seek(const Context& context, const QueueFlags& flags) {
  const auto place = parse_place(flags.to);
  if (!place) {
    print_error(place.error());
    return kExitUsage;
  }
  return run(context, flags, [&place](client::Connection& connection, const QueueFlags& given) {
    return seek(connection, given, *place);
  });
}

}  // namespace

void add_queue_commands(CLI::App& app, Context& context, int& exit_code) {
  CLI::App* queue = app.add_subcommand("queue", "List, describe, seek and delete queues");
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

  CLI::App* seek_command =
      queue->add_subcommand("seek", "Put a subscription to another place of its queue");
  seek_command->add_option("queue", flags->name, "Name of the queue")->required();
  seek_command->add_option("--subscription", flags->subscription, "Subscription")
      ->capture_default_str();
  seek_command->add_option("--to", flags->to, "first, end, sequence:N or time:WHEN")->required();
  seek_command->footer(
      "A place behind the end is the end. What lies before the place is settled, also what is "
      "leased; what lies behind and is still\n"
      "kept is ready again. Dead letters stay.\n"
      "\n"
      "Examples:\n"
      "  sluice queue seek orders --to end\n"
      "  sluice queue seek orders --subscription audit --to time:2026-01-31T12:00:00Z");
  seek_command->callback([flags, &context, &exit_code] { exit_code = run_seek(context, *flags); });

  CLI::App* discard_command = queue->add_subcommand(
      "discard-damaged", "Give up messages that the disk has lost; without --yes only counts");
  discard_command->add_option("queue", flags->name, "Name of the queue")->required();
  CLI::Option* of_one =
      discard_command->add_option("--subscription", flags->subscription, "Only of this one");
  discard_command->add_flag("--yes", flags->yes, "Discard them");
  discard_command->add_flag("--json", flags->json, "One JSON object");
  discard_command->footer(
      "Damaged messages block nobody and stay counted until this says that they are given up. "
      "First\n"
      "see what `sluice log verify` tells, and whether a backup has them.\n"
      "\n"
      "Examples:\n"
      "  sluice queue discard-damaged orders\n"
      "  sluice queue discard-damaged orders --subscription audit --yes");
  discard_command->callback([flags, of_one, &context, &exit_code] {
    flags->of_all = of_one->count() == 0;
    exit_code = run_discard(context, *flags);
  });

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
