#include "storage/backup.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "storage/extent_header.h"
#include "storage/log_files.h"
#include "storage/recovery.h"
#include "storage/segment_header.h"
#include "storage/side_root.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Status;

namespace {

constexpr std::size_t kPieceBytes = 1U << 20;

// One file to copy: the first `bytes` of it.
struct Wanted {
  std::string path;
  std::uint64_t bytes = 0;
};

class Copy {
 public:
  Copy(runtime::FileSystem& fs, const std::string& from, const std::string& to,
       const CopyProgress& progress)
      : fs_(fs), from_(from), to_(to), progress_(progress), piece_(kPieceBytes) {}

  Status run(const std::vector<Wanted>& files) {
    for (const Wanted& file : files) total_ += file.bytes;
    for (const Wanted& file : files) {
      const Status status = copy(file);
      if (!status) return status.error().with_prefix(file.path);
    }
    for (const std::string& folder : folders_) RETURN_IF_ERROR(fs_.sync_folder(folder));
    return fs_.sync_folder(to_);
  }

  std::vector<BackupFile>& copied() { return copied_; }
  std::uint64_t bytes() const { return done_; }

 private:
  Status copy(const Wanted& file);
  Status make_folder_of(const std::string& path);

  runtime::FileSystem& fs_;
  const std::string from_;
  const std::string to_;
  const CopyProgress& progress_;
  std::vector<std::byte> piece_;
  std::vector<std::string> folders_;
  std::vector<BackupFile> copied_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

Status Copy::make_folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return {};
  const std::string folder = to_ + "/" + path.substr(0, slash);
  if (std::find(folders_.begin(), folders_.end(), folder) != folders_.end()) return {};
  folders_.push_back(folder);
  return fs_.create_folder(folder);
}

// A file may be shorter than it is wanted: one that grows, or whose end was never written.
Status Copy::copy(const Wanted& wanted) {
  RETURN_IF_ERROR(make_folder_of(wanted.path));
  ASSIGN_OR_RETURN(const auto source,
                   fs_.open(from_ + "/" + wanted.path, runtime::OpenMode::kRead));
  ASSIGN_OR_RETURN(const auto target,
                   fs_.open(to_ + "/" + wanted.path, runtime::OpenMode::kCreate));
  BackupFile file{wanted.path, 0, 0};
  while (file.bytes < wanted.bytes) {
    const std::size_t want = std::min<std::uint64_t>(kPieceBytes, wanted.bytes - file.bytes);
    ASSIGN_OR_RETURN(const std::size_t got, source->read_at(file.bytes, {piece_.data(), want}));
    const ByteView bytes(piece_.data(), got);
    RETURN_IF_ERROR(target->write_at(file.bytes, bytes));
    file.crc = base::crc32c(bytes, file.crc);
    file.bytes += got;
    done_ += got;
    if (progress_) RETURN_IF_ERROR(progress_(done_, total_));
    if (got < want) break;
  }
  RETURN_IF_ERROR(target->sync_data());
  copied_.push_back(std::move(file));
  return {};
}

Result<std::uint64_t> size_of(runtime::FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, fs.open(path, runtime::OpenMode::kRead));
  return file->size();
}

// Snapshots first: what a snapshot refers to was written before it, so what is listed later has it.
Result<std::vector<Wanted>> list_wanted(runtime::FileSystem& fs, const std::string& folder,
                                        const BackupManifest& what) {
  ASSIGN_OR_RETURN(const LogFiles files, list_log_files(fs, folder));
  std::vector<Wanted> wanted;
  const auto want = [&](const std::string& path, std::uint64_t bytes_max) -> Status {
    ASSIGN_OR_RETURN(const std::uint64_t bytes, size_of(fs, folder + "/" + path));
    wanted.push_back({path, std::min(bytes, bytes_max)});
    return {};
  };
  for (const Lsn lsn : files.snapshots) {
    if (lsn > what.end) continue;
    RETURN_IF_ERROR(want("snapshots/" + snapshot_name(lsn), ~std::uint64_t{0}));
  }
  const Status side = want("index/side.idx", ~std::uint64_t{0});
  if (!side && side.error().code() != base::ErrorCode::kNotFound) return side.error();
  for (const std::uint64_t number : files.segments) {
    const Lsn begin(number * what.segment_bytes);
    if (begin >= what.end) continue;
    RETURN_IF_ERROR(
        want("segments/" + segment_name(number), std::min(what.end - begin, what.segment_bytes)));
  }
  // Whole, and never changed once they have their names.
  for (const std::uint64_t number : files.extents) {
    RETURN_IF_ERROR(want("segments/" + extent_name(number), ~std::uint64_t{0}));
  }
  return wanted;
}

Status check_empty(runtime::FileSystem& fs, const std::string& folder) {
  auto names = fs.list(folder);
  if (!names) {
    if (names.error().code() == base::ErrorCode::kNotFound) return {};
    return names.error();
  }
  std::erase(*names, "lost+found");  // of a volume's root
  if (names->empty()) return {};
  if (std::find(names->begin(), names->end(), "INCOMPLETE") != names->end()) {
    return base::failed_precondition(folder +
                                     " holds a copy that was not finished: empty it first");
  }
  return base::failed_precondition(folder + " is not empty: nothing was changed");
}

}  // namespace

Status begin_folder(runtime::FileSystem& fs, const std::string& folder) {
  RETURN_IF_ERROR(check_empty(fs, folder));
  RETURN_IF_ERROR(fs.create_folder(folder));
  {
    ASSIGN_OR_RETURN(const auto mark, fs.open(incomplete_path(folder), runtime::OpenMode::kCreate));
    RETURN_IF_ERROR(mark->sync_data());
  }
  RETURN_IF_ERROR(fs.sync_folder(folder));
  const std::size_t slash = folder.find_last_of('/');
  if (slash == std::string::npos) return fs.sync_folder(".");
  return fs.sync_folder(slash == 0 ? "/" : folder.substr(0, slash));
}

Status finish_folder(runtime::FileSystem& fs, const std::string& folder) {
  RETURN_IF_ERROR(fs.remove(incomplete_path(folder)));
  return fs.sync_folder(folder);
}

Result<BackupManifest> describe_stopped_log(runtime::FileSystem& fs, const std::string& folder) {
  ASSIGN_OR_RETURN(const RecoveryPlan plan, plan_recovery(fs, folder));
  if (plan.report.created) return base::not_found(folder + ": no log here");
  BackupManifest what;
  what.log_id = plan.report.log_id;
  what.feature_level = plan.feature_level;
  what.segment_bytes = plan.segment_bytes;
  what.end = plan.report.end;
  return what;
}

Result<BackupResult> take_backup(runtime::FileSystem& fs, const std::string& folder,
                                 const std::string& to, BackupManifest what,
                                 const CopyProgress& progress,
                                 const std::function<Status()>& still_held) {
  RETURN_IF_ERROR(begin_folder(fs, to));
  ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, list_wanted(fs, folder, what));
  BackupResult result;
  Copy copy(fs, folder, to, progress);
  const Status copied = copy.run(wanted);
  // Where the files did not stay, that is what to say of any error.
  if (still_held) RETURN_IF_ERROR(still_held());
  RETURN_IF_ERROR(copied);
  ASSIGN_OR_RETURN(VerifyReport report, verify_log(fs, to));
  result.corrupt = std::move(report.corrupt);
  if (report.end < what.end) {
    result.corrupt.push_back({report.end, what.end, "", "the end of the log does not verify"});
  }
  what.files = std::move(copy.copied());
  RETURN_IF_ERROR(write_backup_manifest(fs, backup_manifest_path(to), what));
  RETURN_IF_ERROR(finish_folder(fs, to));
  result.manifest = std::move(what);
  result.bytes = copy.bytes();
  return result;
}

Result<BackupManifest> restore_backup(runtime::FileSystem& fs, const std::string& from,
                                      const std::string& folder, const CopyProgress& progress) {
  ASSIGN_OR_RETURN(std::optional<BackupManifest> manifest,
                   read_backup_manifest(fs, backup_manifest_path(from)));
  if (!manifest) return base::not_found(from + ": no backup here (it has no file BACKUP)");
  RETURN_IF_ERROR(begin_folder(fs, folder));
  std::vector<Wanted> wanted;
  for (const BackupFile& file : manifest->files) {
    // One byte more: a file that has grown is none of ours.
    wanted.push_back({file.path, file.bytes + 1});
  }
  Copy copy(fs, from, folder, progress);
  RETURN_IF_ERROR(copy.run(wanted));
  for (std::size_t i = 0; i < manifest->files.size(); ++i) {
    const BackupFile& file = manifest->files[i];
    if (copy.copied()[i] == file) continue;
    return base::corruption(file.path +
                            ": not as it was when the backup was taken; use another "
                            "backup, or `sluice log salvage` for what is left");
  }
  RETURN_IF_ERROR(write_backup_manifest(fs, backup_manifest_path(folder), *manifest));
  RETURN_IF_ERROR(finish_folder(fs, folder));
  return std::move(*manifest);
}

}  // namespace sluice::storage
