#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/format.h"
#include "cli/message_flags.h"
#include "cli/publish_run.h"
#include "cli/session.h"
#include "cli/stop_signal.h"

namespace sluice::cli {
namespace {

struct PubFlags {
  PublishOptions publish;
  MessageFlags message;
};

std::string summary(const PublishRun& run, const std::string& queue, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(run.stored()) / seconds : 0;
  std::array<char, 32> took{};
  std::snprintf(took.data(), took.size(), "%.2f s", seconds);
  std::string text = "published " + format_count(run.stored()) +
                     (run.stored() == 1 ? " message to " : " messages to ") + queue + " in " +
                     took.data();
  if (run.stored() > 1'000) text += " (" + format_rate(rate) + "/s)";
  const std::uint64_t lost = run.refused() + run.wrong();
  if (lost > 0) text += ", " + format_count(lost) + " refused";
  return text;
}

int run_pub(const Context& context, const PubFlags& flags) {
  auto pattern = message_pattern(flags.message);
  if (!pattern) {
    print_error(pattern.error());
    return kExitUsage;
  }
  catch_stop_signals();
  auto connection = connect(context, flags.publish.queue);
  if (!connection) return fail(connection.error());

  const runtime::SystemClock clock;
  const base::MonoTime begin = clock.mono_now();
  PublishRun run(**connection, flags.publish, std::move(*pattern));
  const base::Status status = run.run();
  const double seconds = static_cast<double>(clock.mono_now() - begin) / 1e9;
  if (!flags.publish.json) print_note(summary(run, flags.publish.queue, seconds));
  if (!status.has_value()) return fail(status.error());
  if (stop_requested()) return stop_exit_code();
  if (run.refused() > 0) return kExitTemporary;
  return run.wrong() > 0 ? kExitData : kExitOk;
}

}  // namespace

void add_pub_command(CLI::App& app, Context& context, int& exit_code) {
  auto flags = std::make_shared<PubFlags>();
  CLI::App* command = app.add_subcommand("pub", "Publish messages; done means stored durably");
  command->add_option("queue", flags->publish.queue, "Name of the queue")->required();
  CLI::Option_group* input = command->add_option_group("Input", "One of");
  input->add_option("--body", flags->publish.body, "One message with this body");
  input->add_flag("--lines", flags->publish.lines, "One message a line of standard input");
  input->add_option("--file", flags->publish.files, "One message a file; may repeat")
      ->type_name("FILE")
      ->check(no_folder());
  input->require_option(1);
  command->add_option("--key", flags->message.key, "Key of each message");
  command->add_option("--header", flags->message.headers, "Header of each message; may repeat")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--delay", flags->message.delay, "Deliver it only after this time")
      ->type_name("30s");
  command
      ->add_option("--spread", flags->message.spread,
                   "Delay each by up to so much more, drawn for each: they do not come at once")
      ->type_name("1h");
  command->add_option("--ttl", flags->message.ttl, "Drop it when nobody had it by then")
      ->type_name("5m");
  command->add_flag("--json", flags->publish.json,
                    "Print a line for each message once it is durable: line, shard, sequence");
  command->footer(
      "A message that is refused is named on stderr with its line; the others are stored all the\n"
      "same, and the exit code is 75 (later may help) or 65 (it can never be right).\n"
      "\n"
      "Examples:\n"
      "  sluice pub orders --body '{\"id\": 7}' --key customer-4 --header kind=created\n"
      "  seq 1000000 | sluice pub orders --lines\n"
      "  sluice pub invoices --file a.pdf --file b.pdf --json\n"
      "  sluice pub orders --body 'remind me' --delay 30s --ttl 5m\n"
      "  seq 1000 | sluice pub mails --lines --spread 1h");
  command->callback([flags, &context, &exit_code] { exit_code = run_pub(context, *flags); });
}

}  // namespace sluice::cli
