#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/corrupt_range.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/stop_signal.h"
#include "runtime/posix/posix_file_system.h"
#include "storage/salvage.h"

namespace sluice::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct SalvageFlags {
  std::string folder;
  std::string to;
  bool json = false;
};

std::string range_text(base::SequenceRange range) {
  return std::to_string(range.first.value()) + "-" + std::to_string(range.last.value());
}

std::string salvage_json(const storage::SalvageReport& report, const std::string& to) {
  OrderedJson lost = OrderedJson::array();
  for (const storage::SalvageReport::Lost& one : report.lost) {
    lost.push_back({{"queue", one.queue},
                    {"queueId", one.stream.queue.to_hex()},
                    {"shard", one.stream.shard.value()},
                    {"first", one.range.first.value()},
                    {"last", one.range.last.value()},
                    {"partly", one.partly}});
  }
  const OrderedJson json = {{"folder", to},
                            {"snapshot", report.snapshot.value()},
                            {"end", report.end.value()},
                            {"bytes", report.bytes},
                            {"unreadableBytes", report.unreadable_bytes},
                            {"badSnapshots", report.bad_snapshots},
                            {"missing", report.missing},
                            {"headersMadeAnew", report.headers},
                            {"corrupt", corrupt_json(report.corrupt)},
                            {"lost", std::move(lost)}};
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string salvage_text(const storage::SalvageReport& report, const std::string& to) {
  std::string out;
  for (const std::string& reason : report.bad_snapshots) out += "bad snapshot: " + reason + "\n";
  for (const std::string& name : report.missing) out += "missing: " + name + "\n";
  for (const std::string& name : report.headers) out += "header made anew: " + name + "\n";
  for (const storage::CorruptRange& one : report.corrupt) {
    out += "corrupt: " + corrupt_text(one) + "\n";
  }
  for (const storage::SalvageReport::Lost& one : report.lost) {
    out += std::string(one.partly ? "partly lost: " : "lost: ") + one.queue + ", shard " +
           std::to_string(one.stream.shard.value()) + ", messages " + range_text(one.range) + "\n";
  }
  if (report.unreadable_bytes > 0) {
    out += "unreadable: " + format_size(report.unreadable_bytes) + "\n";
  }
  return out + to + ": " + format_size(report.bytes) + " copied, " +
         (report.snapshot == base::Lsn() ? "without a snapshot" : "with its snapshot") +
         "; start a broker on it\n";
}

bool is_whole(const storage::SalvageReport& report) {
  return report.bad_snapshots.empty() && report.missing.empty() && report.headers.empty() &&
         report.corrupt.empty() && report.lost.empty() && report.unreadable_bytes == 0;
}

int run_salvage(const SalvageFlags& flags) {
  catch_stop_signals();
  runtime::PosixFileSystem fs;
  std::optional<ProgressBar> bar;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) -> base::Status {
    if (stop_requested()) return base::unavailable("interrupted: the copy is INCOMPLETE");
    if (!bar) bar.emplace("salvage", total);
    bar->show(done);
    return {};
  };
  const auto report = storage::salvage_log(fs, flags.folder, flags.to, progress);
  bar.reset();
  if (!report) return fail(report.error());
  Output output;
  output << (flags.json ? salvage_json(*report, flags.to) : salvage_text(*report, flags.to));
  const base::Status written = output.flush();
  if (!written.has_value()) return fail(written.error());
  return is_whole(*report) ? kExitOk : kExitFailure;
}

}  // namespace

void add_salvage_command(CLI::App& log, int& exit_code) {
  auto flags = std::make_shared<SalvageFlags>();
  CLI::App* salvage = log.add_subcommand(
      "salvage", "Copy what can be read into a new folder that starts; exit code 1: not all");
  salvage->add_option("folder", flags->folder, "The damaged --data, without a broker")->required();
  salvage->add_option("--to", flags->to, "The new folder; missing or empty")
      ->required()
      ->type_name("DIR");
  salvage->add_flag("--json", flags->json, "One JSON object");
  salvage->footer(
      "For a folder that a broker refuses to start on and of which there is no backup. The source "
      "is\n"
      "only read. The broker that starts on the new folder is a new one, as after `sluice "
      "restore`;\n"
      "what is damaged in between is counted as damaged.\n"
      "\n"
      "Example:\n  sluice log salvage ./sluice-data --to ./salvaged");
  salvage->callback([flags, &exit_code] { exit_code = run_salvage(*flags); });
}

}  // namespace sluice::cli
