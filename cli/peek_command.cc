#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/json_string.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/message_text.h"
#include "cli/output.h"
#include "cli/queue_address.h"
#include "cli/session.h"
#include "cli/shard_brokers.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#include "cli/wall_text.h"
#include "client/admin.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

constexpr std::uint32_t kPage = 200;
constexpr std::size_t kPreviewColumns = 60;

struct PeekFlags {
  std::string queue;
  std::string subscription;
  bool dead_letters = false;
  std::uint64_t max = 10;
  std::uint64_t from = 0;
  bool json = false;
};

class PeekPrinter {
 public:
  PeekPrinter(bool json, bool dead)
      : json_(json), dead_(dead), table_(headings(dead)), now_(runtime::SystemClock().wall_now()) {}

  base::Status print(std::uint16_t shard, const client::PeekedMessage& message) {
    if (!json_) {
      add_row(shard, message);
      return {};
    }
    append_json(shard, message);
    return output_.flush_if_large();
  }
  base::Status finish() {
    if (table_.size() > 0) output_ << table_.render();
    return output_.flush();
  }

 private:
  static std::vector<std::string> headings(bool dead) {
    if (dead) return {">SHARD", ">SEQUENCE", ">DEAD FOR", "REASON", ">ATTEMPTS", "ERROR", "BODY"};
    return {">SHARD", ">SEQUENCE", ">AGE", ">ATTEMPTS", ">STALLS", "KEY", "BODY"};
  }
  std::string age(base::WallTime time) const {
    return format_age(static_cast<double>(now_ - time) / 1'000);
  }
  void add_row(std::uint16_t shard, const client::PeekedMessage& message);
  void append_json(std::uint16_t shard, const client::PeekedMessage& message);

  bool json_;
  bool dead_;
  TextTable table_;
  Output output_;
  base::WallTime now_;
};

void PeekPrinter::add_row(std::uint16_t shard, const client::PeekedMessage& message) {
  std::string body = message.readable ? body_preview(message.message.body, kPreviewColumns)
                                      : "(unreadable: the disk has lost it)";
  if (message.is_cut()) body += " (" + format_size(message.body_bytes) + ")";
  const std::string sequence = std::to_string(message.sequence.value());
  const std::string attempts = std::to_string(message.attempts);
  if (dead_) {
    table_.add({std::to_string(shard), sequence, age(message.died_at),
                std::string(client::to_string(message.reason)), attempts,
                body_preview(message.error, kPreviewColumns), body});
    return;
  }
  table_.add({std::to_string(shard), sequence, age(message.accepted_at), attempts,
              std::to_string(message.stalls), body_preview(message.message.key, kPreviewColumns),
              body});
}

void PeekPrinter::append_json(std::uint16_t shard, const client::PeekedMessage& message) {
  std::string& out = output_.text();
  const auto number = [&out](std::string_view name, std::uint64_t value) {
    out.append(name);
    append_number(out, value);
  };
  number(R"({"shard":)", shard);
  number(R"(,"sequence":)", message.sequence.value());
  number(R"(,"attempts":)", message.attempts);
  number(R"(,"stalls":)", message.stalls);
  out += R"(,"acceptedAt":")" + format_wall(message.accepted_at) + "\",";
  if (message.dead) {
    out += R"("reason":")" + std::string(client::to_string(message.reason)) + R"(","error":)";
    base::append_json_string(out, message.error);
    out += R"(,"consumer":)";
    base::append_json_string(out, message.consumer);
    if (message.first_failed.value() != 0) {
      out += R"(,"firstFailedAt":")" + format_wall(message.first_failed) + '"';
    }
    out += R"(,"diedAt":")" + format_wall(message.died_at) + "\",";
  }
  if (!message.readable) out += R"("readable":false,)";
  base::MessageAttributes attributes;
  attributes.key = message.message.key;
  attributes.headers.assign(message.message.headers.begin(), message.message.headers.end());
  if (message.is_cut()) {
    number(R"("wholeBodyBytes":)", message.body_bytes);
    out += ',';
  }
  append_message_json(out, attributes, message.message.body);
  out += "}\n";
}

base::Status peek(const ShardBroker& broker, const PeekFlags& flags, const QueueAddress& address,
                  PeekPrinter& printer, std::uint64_t& left) {
  client::Admin admin(*broker.connection);
  for (const std::uint16_t shard : broker.shards) {
    client::PeekOptions options;
    options.queue = broker.queue.id;
    options.subscription = flags.subscription;
    options.dead_letters = address.dead_letters;
    options.shard = base::ShardIndex(shard);
    options.from = base::Sequence(flags.from);
    while (left > 0) {
      options.messages_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kPage));
      ASSIGN_OR_RETURN(const client::PeekPage page, admin.peek(options));
      for (const client::PeekedMessage& message : page.messages) {
        RETURN_IF_ERROR(printer.print(shard, message));
      }
      left -= std::min<std::uint64_t>(left, page.messages.size());
      options.from = page.next;
      if (options.from.value() == 0) break;
    }
  }
  return {};
}

base::Status peek(client::Connection& connection, const PeekFlags& flags,
                  const QueueAddress& address, PeekPrinter& printer) {
  ASSIGN_OR_RETURN(const ShardBrokers brokers, reachable_brokers_of(connection, address.queue));
  std::uint64_t left = flags.max;
  for (const ShardBroker& broker : brokers.there) {
    RETURN_IF_ERROR(peek(broker, flags, address, printer, left));
  }
  RETURN_IF_ERROR(printer.finish());
  return check_complete(brokers.missing);
}

int run_peek(const Context& context, const PeekFlags& flags) {
  QueueAddress address = parse_queue_address(flags.queue);
  address.dead_letters |= flags.dead_letters;
  auto connection = connect(context, address.queue);
  if (!connection) return fail(connection.error());
  PeekPrinter printer(flags.json, address.dead_letters);
  const base::Status status = peek(**connection, flags, address, printer);
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_peek_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<PeekFlags>();
  CLI::App* command = app.add_subcommand("peek", "Look at messages without taking them");
  command->add_option("queue", flags->queue, "Name of the queue; NAME/dlq = its dead letters")
      ->required();
  command->add_flag("--dlq", flags->dead_letters, "Dead letters instead of waiting messages");
  command->add_option("--subscription", flags->subscription, "Subscription (default: default)");
  command->add_option("--max", flags->max, "At most so many")
      ->check(at_least_one())
      ->capture_default_str();
  command->add_option("--from", flags->from, "Begin at this sequence of each shard")
      ->type_name("SEQUENCE");
  command->add_flag("--json", flags->json, "One JSON object a line");
  command->footer(
      "Examples:\n"
      "  sluice peek orders\n"
      "  sluice peek orders/dlq --json | jq -r .error\n"
      "  sluice peek orders --from 1000 --max 100");
  command->callback([flags, &context, &exit_code] { exit_code = run_peek(context, *flags); });
}

}  // namespace sluice::cli
