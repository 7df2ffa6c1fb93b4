#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/backup_manifest.h"
#include "storage/log_verify.h"

namespace sluice::storage {

// How far a copy is, in bytes; an error stops it.
using CopyProgress = std::function<base::Status(std::uint64_t done, std::uint64_t total)>;

struct BackupResult {
  BackupManifest manifest;
  std::uint64_t bytes = 0;
  // What is damaged in the copy, because it is damaged in the source.
  std::vector<CorruptRange> corrupt;
};

// What a backup of a folder that no broker has would be: all up to where recovery would end the
// log. REQUIRES: the caller holds the folder's lock.
base::Result<BackupManifest> describe_stopped_log(runtime::FileSystem& fs,
                                                  const std::string& folder);

// Copies the log of `folder` up to `what.end` into `to`, with its snapshots and side index, and
// reads the copy once to see what is damaged. While this runs nothing of it may go: the caller
// holds the lock, or the broker has pinned it and `what` is its answer; `still_held` tells after
// the copy whether that was so all the time. `to` must be missing or empty (FailedPrecondition).
// Where this fails, `to` holds an INCOMPLETE copy that nobody takes for a backup.
base::Result<BackupResult> take_backup(runtime::FileSystem& fs, const std::string& folder,
                                       const std::string& to, BackupManifest what,
                                       const CopyProgress& progress,
                                       const std::function<base::Status()>& still_held = nullptr);

// Copies a backup into `folder`, which must be missing or empty (FailedPrecondition), and checks
// every byte against the manifest (Corruption). What fails leaves a folder that no broker opens.
base::Result<BackupManifest> restore_backup(runtime::FileSystem& fs, const std::string& from,
                                            const std::string& folder,
                                            const CopyProgress& progress);

// The whole way to a folder that is to be a log: missing or empty, made with its parents, and
// marked INCOMPLETE until finish_folder().
base::Status begin_folder(runtime::FileSystem& fs, const std::string& folder);
base::Status finish_folder(runtime::FileSystem& fs, const std::string& folder);

}  // namespace sluice::storage
