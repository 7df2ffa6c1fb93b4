#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "cli/commands.h"
#include "cli/corrupt_range.h"
#include "cli/exit_code.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/stop_signal.h"
#include "runtime/posix/machine_name.h"
#include "runtime/posix/posix_file_system.h"
#include "runtime/posix/system_clock.h"
#include "storage/backup.h"
#include "storage/segment_header.h"

namespace sluice::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct BackupFlags {
  std::string data = "./sluice-data";
  std::string to;
  std::string from;
  double wait_seconds = 30;
  bool json = false;
};

constexpr base::Millis kLookEvery{50};

std::string this_process(const runtime::SystemClock& clock) {
  return "backup by process " + std::to_string(getpid()) + " on " + runtime::machine_name() +
         " since " + std::to_string(clock.wall_now().value());
}

storage::CopyProgress progress_of(ProgressBar*& bar, std::optional<ProgressBar>& place,
                                  const std::string& label) {
  return [&bar, &place, label](std::uint64_t done, std::uint64_t total) -> base::Status {
    if (stop_requested()) return base::unavailable("interrupted: the copy is INCOMPLETE");
    if (bar == nullptr) bar = &place.emplace(label, total);
    bar->show(done);
    return {};
  };
}

// The log's files, held as they are while this lives: a folder's own lock where no broker runs on
// it, else the running broker's promise.
class Hold {
 public:
  Hold(runtime::FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}
  ~Hold() {
    if (pin_) static_cast<void>(fs_.remove(storage::pin_path(folder_)));
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  base::Result<storage::BackupManifest> take(base::Millis wait);
  // After the copy: it is good only if the promise was kept.
  base::Status check() const;
  bool broker_runs() const { return lock_ == nullptr; }

 private:
  base::Status ask(base::MonoTime until);
  base::Result<std::optional<storage::BackupManifest>> answer() const;

  runtime::FileSystem& fs_;
  const std::string folder_;
  runtime::SystemClock clock_;
  const std::string owner_ = this_process(clock_);
  std::unique_ptr<runtime::FileLock> lock_;
  std::unique_ptr<runtime::FileLock> pin_;
};

base::Result<std::optional<storage::BackupManifest>> Hold::answer() const {
  ASSIGN_OR_RETURN(std::optional<storage::BackupManifest> found,
                   storage::read_backup_manifest(fs_, storage::pinned_path(folder_)));
  // An answer to somebody who asked before is none.
  if (found && found->by != owner_) found.reset();
  return found;
}

// The broker looks at the file's lock by trying it, which may be just now.
base::Status Hold::ask(base::MonoTime until) {
  for (;;) {
    auto pin = fs_.lock(storage::pin_path(folder_), owner_);
    if (pin) {
      pin_ = std::move(*pin);
      return {};
    }
    if (stop_requested() || clock_.mono_now() > until) {
      return pin.error().with_prefix("another backup runs");
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

base::Result<storage::BackupManifest> Hold::take(base::Millis wait) {
  if (!fs_.list(folder_)) return base::not_found(folder_ + ": no such folder");
  if (auto lock = fs_.lock(storage::lock_path(folder_), owner_)) {
    lock_ = std::move(*lock);
    ASSIGN_OR_RETURN(storage::BackupManifest what, storage::describe_stopped_log(fs_, folder_));
    what.by = owner_;
    what.taken_at = clock_.wall_now();
    return what;
  }
  const base::MonoTime until = clock_.mono_now() + base::Nanos(wait);
  while (clock_.mono_now() < until && !stop_requested()) {
    // The broker removes a file whose lock it could take: perhaps a moment before we had it.
    if (!fs_.open(storage::pin_path(folder_), runtime::OpenMode::kRead)) {
      pin_.reset();
      RETURN_IF_ERROR(ask(until));
    }
    ASSIGN_OR_RETURN(std::optional<storage::BackupManifest> found, answer());
    if (found) return std::move(*found);
    std::this_thread::sleep_for(kLookEvery);
  }
  return base::unavailable("the broker of " + folder_ +
                           " did not answer: its disk is low, it is busy with an earlier "
                           "backup that ended, or its version is too old for this");
}

base::Status Hold::check() const {
  if (!broker_runs()) return {};
  ASSIGN_OR_RETURN(const std::optional<storage::BackupManifest> found, answer());
  if (found) return {};
  return base::failed_precondition(
      "the broker stopped keeping its files for this backup: its disk is low, or it was restarted; "
      "take another one");
}

// Where it would be a part of what it is made from. What cannot be looked at is told by who reads
// it.
bool lies_in(const std::string& folder, const std::string& outer) {
  namespace fs = std::filesystem;
  std::error_code error;
  // Absolute first: of a path whose first part is missing, the other would stay relative.
  const fs::path inner_path = fs::weakly_canonical(fs::absolute(folder, error), error);
  if (error) return false;
  const fs::path outer_path = fs::weakly_canonical(fs::absolute(outer, error), error);
  if (error) return false;
  const auto [left, right] =
      std::mismatch(outer_path.begin(), outer_path.end(), inner_path.begin(), inner_path.end());
  static_cast<void>(right);
  return left == outer_path.end();
}

int refuse_inside(std::string_view flag, const std::string& folder, const std::string& outer) {
  print_error(std::string(flag) + ": " + folder + " lies in " + outer +
              ", which it would be made from: name a folder elsewhere");
  return kExitUsage;
}

int run_backup(const BackupFlags& flags) {
  if (lies_in(flags.to, flags.data)) return refuse_inside("--to", flags.to, flags.data);
  catch_stop_signals();
  runtime::PosixFileSystem fs;
  Hold hold(fs, flags.data);
  auto what = hold.take(base::Millis(static_cast<std::int64_t>(flags.wait_seconds * 1'000)));
  if (!what) return fail(what.error());
  base::Result<storage::BackupResult> result = base::unavailable("not taken");
  {
    ProgressBar* bar = nullptr;
    std::optional<ProgressBar> place;
    result = storage::take_backup(fs, flags.data, flags.to, std::move(*what),
                                  progress_of(bar, place, "backup"), [&] { return hold.check(); });
  }
  if (!result) return fail(result.error());
  const storage::BackupManifest& manifest = result->manifest;
  Output output;
  if (flags.json) {
    const OrderedJson json = {{"folder", flags.to},
                              {"brokerRuns", hold.broker_runs()},
                              {"log", manifest.log_id.to_hex()},
                              {"end", manifest.end.value()},
                              {"files", manifest.files.size()},
                              {"bytes", result->bytes},
                              {"corrupt", corrupt_json(result->corrupt)}};
    output << json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  } else {
    for (const storage::CorruptRange& one : result->corrupt) {
      output << "damaged in the source: " << corrupt_text(one) << "\n";
    }
    output << flags.to << ": " << format_size(result->bytes) << " in "
           << std::to_string(manifest.files.size()) << " files, the log up to "
           << std::to_string(manifest.end.value()) << "\n";
  }
  if (const base::Status written = output.flush(); !written) return fail(written.error());
  return result->corrupt.empty() ? kExitOk : kExitFailure;
}

int run_restore(const BackupFlags& flags) {
  if (lies_in(flags.data, flags.from)) return refuse_inside("--data", flags.data, flags.from);
  catch_stop_signals();
  runtime::PosixFileSystem fs;
  base::Result<storage::BackupManifest> manifest = base::unavailable("not restored");
  {
    ProgressBar* bar = nullptr;
    std::optional<ProgressBar> place;
    manifest =
        storage::restore_backup(fs, flags.from, flags.data, progress_of(bar, place, "restore"));
  }
  if (!manifest) return fail(manifest.error());
  Output output;
  std::uint64_t bytes = 0;
  for (const storage::BackupFile& file : manifest->files) bytes += file.bytes;
  if (flags.json) {
    const OrderedJson json = {{"folder", flags.data},
                              {"log", manifest->log_id.to_hex()},
                              {"end", manifest->end.value()},
                              {"takenAtMs", manifest->taken_at.value()},
                              {"files", manifest->files.size()},
                              {"bytes", bytes}};
    output << json.dump() << "\n";
  } else {
    output << flags.data << ": " << format_size(bytes)
           << " restored and checked; start a broker on it\n";
  }
  if (const base::Status written = output.flush(); !written) return fail(written.error());
  return kExitOk;
}

}  // namespace

void add_backup_commands(CLI::App& app, Context& /*context*/, int& exit_code) {
  auto flags = std::make_shared<BackupFlags>();
  CLI::App* backup =
      app.add_subcommand("backup", "Copy a broker's log, also while the broker works");
  backup->add_option("--data", flags->data, "The broker's folder, on this machine")
      ->type_name("DIR")
      ->capture_default_str();
  backup->add_option("--to", flags->to, "Where to; missing or empty")->required()->type_name("DIR");
  backup->add_option("--wait", flags->wait_seconds, "Seconds to wait for a running broker's answer")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  backup->add_flag("--json", flags->json, "One JSON object");
  backup->footer(
      "All that was acknowledged before the command began is in it. While it runs, the broker "
      "keeps\n"
      "all of its files. Exit code 1: taken, but parts of the log are damaged.\n"
      "\n"
      "Examples:\n"
      "  sluice backup --data ./sluice-data --to /backups/monday\n"
      "  kubectl exec orders-0 -- sluice backup --data /data --to /backups/monday");
  backup->callback([flags, &exit_code] { exit_code = run_backup(*flags); });

  CLI::App* restore = app.add_subcommand("restore", "Make a broker's folder from a backup");
  restore->add_option("--from", flags->from, "The backup")->required()->type_name("DIR");
  restore->add_option("--data", flags->data, "The new folder; missing or empty")
      ->required()
      ->type_name("DIR");
  restore->add_flag("--json", flags->json, "One JSON object");
  restore->footer(
      "Every byte is checked. The broker that starts on the folder is a new one: no session of "
      "the\n"
      "original goes on, its receipts are refused, what was leased is delivered again.\n"
      "\n"
      "Example:\n"
      "  sluice restore --from /backups/monday --data ./sluice-data\n"
      "  sluice up -f queues/ --data ./sluice-data");
  restore->callback([flags, &exit_code] { exit_code = run_restore(*flags); });
}

}  // namespace sluice::cli
