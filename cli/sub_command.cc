#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/queue_address.h"
#include "cli/session.h"
#include "cli/stop_signal.h"
#include "cli/subscribe_run.h"

namespace sluice::cli {
namespace {

constexpr std::uint32_t kPrefetch = 8'192;
// A command takes long beside a round trip, and what waits behind it others could do.
constexpr std::uint32_t kPrefetchOfExec = 1;

const std::map<std::string, SettleMode> kSettleModes = {{"ack", SettleMode::kAck},
                                                        {"release", SettleMode::kRelease},
                                                        {"fail", SettleMode::kFail},
                                                        {"reject", SettleMode::kReject},
                                                        {"none", SettleMode::kNone}};

struct SubFlags {
  SubscribeOptions subscribe;
  std::string settle = "ack";
  std::string idle_exit;
  std::string grace;
};

int run_sub(const Context& context, SubFlags& flags) {
  SubscribeOptions& options = flags.subscribe;
  options.settle = kSettleModes.at(flags.settle);
  if (QueueAddress address = parse_queue_address(options.queue); address.dead_letters) {
    std::string subscription =
        options.subscription.empty() ? address.subscription : options.subscription;
    options.queue = std::move(address.queue);
    options.subscription = (subscription.empty() ? "default" : subscription) + "/dlq";
  }
  const bool one_by_one = !options.exec.empty() || (options.at_most_once && options.max > 0);
  if (options.prefetch == 0) options.prefetch = one_by_one ? kPrefetchOfExec : kPrefetch;
  if (!flags.idle_exit.empty()) {
    auto idle_exit = base::parse_duration(flags.idle_exit);
    if (!idle_exit) {
      print_error(idle_exit.error().with_prefix("--idle-exit"));
      return kExitUsage;
    }
    options.idle_exit = *idle_exit;
  }
  if (!flags.grace.empty()) {
    const auto grace = base::parse_duration(flags.grace);
    if (!grace) {
      print_error(grace.error().with_prefix("--grace"));
      return kExitUsage;
    }
    options.grace = *grace;
  }
  catch_stop_signals();
  auto connection = connect(context, options.queue);
  if (!connection) return fail(connection.error());
  SubscribeRun run(**connection, options);
  const base::Status status = run.run();
  static_cast<void>((*connection)->close());
  if (run.unconfirmed() > 0) {
    print_note("sluice: a session was lost; messages whose settle was never confirmed: " +
               std::to_string(run.unconfirmed()) + "; most come again");
  }
  // Being stopped is how a worker ends.
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_sub_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<SubFlags>();
  SubscribeOptions& options = flags->subscribe;
  CLI::App* command = app.add_subcommand("sub", "Consume messages: print or run a command on each");
  command->add_option("queue", options.queue, "Name of the queue; NAME/dlq = its dead letters")
      ->required();
  command->add_option("--subscription", options.subscription, "Subscription (default: default)");
  command->add_option("--max", options.max, "End after so many messages")->check(at_least_one());
  command->add_option("--idle-exit", flags->idle_exit, "End when nothing came for so long")
      ->type_name("2s");
  command->add_flag("--json", options.json, "One JSON object a line instead of the bare body");
  CLI::Option* settle =
      command->add_option("--settle", flags->settle, "What becomes of a printed message")
          ->check(CLI::IsMember({"ack", "release", "fail", "reject", "none"}))
          ->capture_default_str();
  command
      ->add_flag("--at-most-once", options.at_most_once,
                 "Settle each message before it comes: it is never delivered again")
      ->excludes(settle);
  command->add_option("--error", options.error, "Why, for --settle fail and reject");
  command->add_option("--exec", options.exec, "Run this shell command on each message")
      ->type_name("COMMAND")
      ->excludes(settle);
  command
      ->add_option("--grace", flags->grace,
                   "Time for the command in work after SIGTERM (default: 25s)")
      ->type_name("25s");
  command
      ->add_option("--prefetch", options.prefetch,
                   "Messages to hold at once (default: 8192; 1 with --exec)")
      ->check(CLI::Range(1U, 1'000'000U));
  command->footer(
      "A message counts as consumed only when its line is written. --exec gives the body on stdin\n"
      "and SLUICE_QUEUE, SLUICE_SHARD, SLUICE_SEQUENCE, SLUICE_ATTEMPT and SLUICE_KEY; exit\n"
      "code 0 acknowledges, 75 gives the message back uncounted, any other counts a failed attempt "
      "and\n"
      "keeps the end of its stderr. The lease lives on while the command runs.\n"
      "Of NAME/dlq an ack discards the dead letter, and everything else gives it back; headers "
      "that\n"
      "begin with sluice-dead- tell why it died.\n"
      "\n"
      "Examples:\n"
      "  sluice sub orders --max 1\n"
      "  sluice sub orders --json --idle-exit 2s | jq -r .body\n"
      "  sluice sub orders --exec './handle-order.sh'\n"
      "  sluice sub orders/dlq --json --max 10");
  command->callback([flags, &context, &exit_code] { exit_code = run_sub(context, *flags); });
}

}  // namespace sluice::cli
