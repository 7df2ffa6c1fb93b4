#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "runtime/file_system.h"
#include "storage/log_format.h"

namespace sluice::storage {

// One file of a backup.
struct BackupFile {
  std::string path;  // in the folder: "segments/0000000000000001.log"
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;  // CRC-32C of the whole file
  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

// What a backup says of itself (docs/log-format.md, "Backups"): the file BACKUP in its folder. A
// folder with that file was not started yet: its first start makes it a log of its own. Without
// files it is what a broker answers to the command that pins its log.
struct BackupManifest {
  base::Id128 log_id;
  std::uint32_t feature_level = kFeatureLevelFirst;
  std::uint64_t segment_bytes = 0;
  base::Lsn end;  // all before it was durable
  base::WallTime taken_at;
  std::string by;  // the process that took it
  std::vector<BackupFile> files;
};

// Pure. Line breaks in `by` become spaces.
std::string encode(const BackupManifest& manifest);
// Corruption where any line is not as it was written; FailedPrecondition where a newer version
// wrote it.
base::Result<BackupManifest> decode_backup_manifest(std::string_view text);

// The files that backups bring into a folder.
std::string backup_manifest_path(const std::string& folder);  // BACKUP
std::string incomplete_path(const std::string& folder);       // INCOMPLETE: nobody may use it
std::string pin_path(const std::string& folder);              // PIN: locked by the command
std::string pinned_path(const std::string& folder);           // PINNED: the broker's answer

// The manifest in `path`; nullopt where there is no such file.
base::Result<std::optional<BackupManifest>> read_backup_manifest(runtime::FileSystem& fs,
                                                                 const std::string& path);
// Under a temporary name, synced, then renamed: it is there whole or not at all.
base::Status write_backup_manifest(runtime::FileSystem& fs, const std::string& path,
                                   const BackupManifest& manifest);

}  // namespace sluice::storage
