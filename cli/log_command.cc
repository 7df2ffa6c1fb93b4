#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/corrupt_range.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/log_dump.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/text_table.h"
#include "runtime/posix/posix_file_system.h"
#include "storage/log_verify.h"

namespace sluice::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct LogFlags {
  std::string folder;
  bool json = false;
};

std::string report_json(const storage::VerifyReport& report) {
  OrderedJson segments = OrderedJson::array();
  for (const storage::SegmentVerdict& one : report.segments) {
    segments.push_back({{"file", one.file},
                        {"state", storage::to_string(one.state)},
                        {"records", one.records},
                        {"payloadBytes", one.payload_bytes},
                        {"first", one.first.value()},
                        {"end", one.end.value()}});
  }
  OrderedJson snapshots = OrderedJson::array();
  for (const storage::SnapshotVerdict& one : report.snapshots) {
    snapshots.push_back({{"file", one.file},
                         {"lsn", one.lsn.value()},
                         {"valid", one.valid},
                         {"clean", one.clean},
                         {"reason", one.reason}});
  }
  const OrderedJson json = {{"ok", report.ok()},
                            {"log", report.log_id.to_hex()},
                            {"segmentBytes", report.segment_bytes},
                            {"featureLevel", report.feature_level},
                            {"proven", report.proven.value()},
                            {"end", report.end.value()},
                            {"tailBytes", report.tail_bytes},
                            {"segments", std::move(segments)},
                            {"snapshots", std::move(snapshots)},
                            {"corrupt", corrupt_json(report.corrupt)}};
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string report_text(const storage::VerifyReport& report) {
  TextTable segments({"SEGMENT", "STATE", ">RECORDS", ">PAYLOAD", ">FROM", ">TO"});
  std::uint64_t records = 0;
  for (const storage::SegmentVerdict& one : report.segments) {
    records += one.records;
    segments.add({one.file, std::string(storage::to_string(one.state)), format_count(one.records),
                  format_size(one.payload_bytes), std::to_string(one.first.value()),
                  std::to_string(one.end.value())});
  }
  std::string out = segments.render();
  for (const storage::SnapshotVerdict& one : report.snapshots) {
    out += "snapshot " + one.file + ": " + (one.valid ? "good" : "bad: " + one.reason) + "\n";
  }
  for (const storage::CorruptRange& one : report.corrupt) {
    out += "corrupt: " + corrupt_text(one) + "\n";
  }
  if (report.tail_bytes > 0) {
    out += "behind the proven end: " + format_size(report.tail_bytes) +
           " (a broker at work, or a torn tail, which the next start cuts)\n";
  }
  out += report.ok() ? "good: " + format_count(records) + " records\n"
                     : "damaged: " + format_count(report.corrupt.size() + report.bad_pages.size()) +
                           " places\n";
  return out;
}

int run_verify(const LogFlags& flags) {
  runtime::PosixFileSystem fs;
  const auto report = storage::verify_log(fs, flags.folder);
  if (!report) return fail(report.error());
  Output output;
  output << (flags.json ? report_json(*report) : report_text(*report));
  const base::Status written = output.flush();
  if (!written.has_value()) return fail(written.error());
  return report->ok() ? kExitOk : kExitFailure;
}

int run_dump(const LogFlags& flags) {
  runtime::PosixFileSystem fs;
  Output output;
  const base::Status status = dump_log(fs, flags.folder, flags.json, output);
  return status.has_value() ? kExitOk : fail(status.error());
}

}  // namespace

void add_log_commands(CLI::App& app, Context& /*context*/, int& exit_code) {
  CLI::App* log = app.add_subcommand("log", "Look into a broker's data folder");
  log->require_subcommand(1);
  auto flags = std::make_shared<LogFlags>();

  CLI::App* verify = log->add_subcommand("verify", "Check every block; exit code 1 = damaged");
  verify->add_option("folder", flags->folder, "The broker's --data")->required();
  verify->add_flag("--json", flags->json, "Print the report as JSON");
  verify->footer(
      "Reads everything and changes nothing, also beside a running broker.\n"
      "\n"
      "Examples:\n  sluice log verify ./sluice-data");
  verify->callback([flags, &exit_code] { exit_code = run_verify(*flags); });

  add_salvage_command(*log, exit_code);
  CLI::App* dump = log->add_subcommand("dump", "Print every record; bodies are left out");
  dump->add_option("folder", flags->folder, "The broker's --data")->required();
  dump->add_flag("--json", flags->json, "One JSON object a line");
  dump->footer(
      "Examples:\n"
      "  sluice log dump ./sluice-data | less\n"
      "  sluice log dump ./sluice-data --json | jq -c 'select(.type == \"Dead\")'");
  dump->callback([flags, &exit_code] { exit_code = run_dump(*flags); });
}

}  // namespace sluice::cli
