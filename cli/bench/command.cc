#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/message.h"
#include "cli/bench/body.h"
#include "cli/bench/options.h"
#include "cli/bench/report.h"
#include "cli/bench/run.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/stop_signal.h"

namespace sluice::cli {
namespace {

constexpr char kConcurrently[] = "publish-and-consume";
constexpr char kOneAfterTheOther[] = "publish-then-consume";

int run(const bench::Options& options) {
  catch_stop_signals();
  std::vector<bench::Measured> all;
  const bool compare = options.encryption == "compare";
  for (const char* encryption : {"none", "curve"}) {
    if (!compare && options.encryption != encryption) continue;
    bench::Options one = options;
    one.encryption = encryption;
    auto report = bench::run_bench(one);
    if (stop_requested()) return stop_exit_code();
    if (!report) return fail(report.error());
    all.push_back({std::move(one), std::move(*report)});
  }
  Output output;
  output << (options.json ? bench::report_json(all) : bench::report_text(all));
  const base::Status written = output.flush();
  if (!written.has_value()) return fail(written.error());
  const bool good = std::all_of(all.begin(), all.end(),
                                [](const bench::Measured& one) { return one.report.good(); });
  return good ? kExitOk : kExitFailure;
}

void add_load_flags(CLI::App& command, bench::Options& options) {
  const std::uint32_t size_max =
      base::kBatchEntriesBytesMax - static_cast<std::uint32_t>(base::kEntryHeaderBytes);
  command.add_option("--messages", options.messages, "How many")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000'000}))
      ->capture_default_str();
  command.add_option("--size", options.size_bytes, "Bytes in a body")
      ->check(CLI::Range(std::uint32_t{bench::kBodyBytesMin}, size_max))
      ->capture_default_str();
  command.add_option("--producers", options.producers, "Processes that publish")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  command.add_option("--consumers", options.consumers, "Processes that consume")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  command.add_option("--batch", options.batch_bytes, "Bytes in a frame of messages")
      ->check(CLI::Range(std::uint32_t{64}, std::uint32_t{base::kBatchEntriesBytesMax}))
      ->capture_default_str();
  command.add_option("--window", options.window, "Frames that may be under way")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command.add_option("--rate", options.rate, "Messages a second over all producers (default: max)");
}

void add_worker(CLI::App& app, const char* name, int (*run_worker)(const bench::WorkerOptions&),
                int& exit_code) {
  auto options = std::make_shared<bench::WorkerOptions>();
  CLI::App* command = app.add_subcommand(name, "A process of bench")->group("");
  command->add_option("--endpoint", options->endpoint)->required();
  command->add_option("--queue", options->queue)->required();
  command->add_option("--shared-fd", options->shared_fd)->required();
  command->add_option("--worker", options->worker)->required();
  command->add_option("--producer", options->producer)->required();
  command->add_option("--messages", options->messages)->required();
  command->add_option("--size", options->size_bytes)->required();
  command->add_option("--batch", options->batch_bytes)->required();
  command->add_option("--window", options->window)->required();
  command->add_option("--rate", options->rate)->required();
  command->add_option("--keys-folder", options->keys_folder);
  command->callback([options, run_worker, &exit_code] { exit_code = run_worker(*options); });
}

}  // namespace

void add_bench_command(CLI::App& app, Context& /*context*/, int& exit_code) {
  auto options = std::make_shared<bench::Options>();
  auto phase = std::make_shared<std::string>(kConcurrently);
  CLI::App* command = app.add_subcommand("bench", "Measure a broker on this machine and disk");
  add_load_flags(*command, *options);
  command->add_option("--fsync", options->fsync, "The queue's durability.fsync")
      ->check(CLI::IsMember({"Always", "Interval", "Never"}))
      ->capture_default_str();
  command
      ->add_option("--data", options->data,
                   "Folder on the disk to measure (default: $TMPDIR, else /var/tmp)")
      ->type_name("DIR");
  command->add_option("--waiting", options->waiting,
                      "First put so many messages into another queue, and leave them there");
  command->add_option("--phase", *phase, "Whether consumers wait until everything is published")
      ->check(CLI::IsMember({kConcurrently, kOneAfterTheOther}))
      ->capture_default_str();
  command
      ->add_option("--encryption", options->encryption,
                   "curve = with keys, made for the bench; compare = once without, once with")
      ->check(CLI::IsMember({"none", "curve", "compare"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object on one line");
  command->footer(
      "Starts a broker of its own, and producers and consumers as processes; all are gone\n"
      "afterwards, with their files. Every message is checked: exit code 1 means that some were\n"
      "lost, doubled or refused. A message counts end to end when its settle is confirmed.\n"
      "\n"
      "Examples:\n"
      "  sluice bench\n"
      "  sluice bench --messages 1000000 --size 1024 --fsync Never\n"
      "  sluice bench --rate 10000 --messages 100000 --json\n"
      "  sluice bench --waiting 10000000\n"
      "  sluice bench --messages 2000000 --encryption compare");
  command->callback([options, phase, &exit_code] {
    options->drain = *phase == kOneAfterTheOther;
    exit_code = run(*options);
  });
  add_worker(app, bench::kProducerCommand, bench::run_producer, exit_code);
  add_worker(app, bench::kConsumerCommand, bench::run_consumer, exit_code);
}

}  // namespace sluice::cli
