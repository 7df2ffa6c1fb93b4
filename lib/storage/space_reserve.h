#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log_work.h"

namespace sluice::storage {

// Disk space that is taken while there is some, so that settles, snapshots and compaction find it
// when the disk is full, whoever filled it: files of a segment's size, and one for a snapshot
// (docs/log-format.md, "Space"). A file that is needed is renamed and written over, never deleted
// first. Loop thread.
class SpaceReserve {
 public:
  // What lies in the folder already.
  struct Found {
    std::vector<std::string> segments;  // names
    std::uint64_t snapshot_bytes = 0;   // 0 = none
  };
  SpaceReserve(runtime::FileSystem& fs, const std::string& folder, std::uint64_t segment_bytes,
               const Found& found);

  // --- Files of a segment's size, by path.
  // One for whoever finds the disk full; it is the caller's from now on.
  std::optional<std::string> take();
  // It was not needed after all.
  void give_back(std::string path) { files_.push_back(std::move(path)); }
  // The name for a dead segment's file, where one is missing; it joins with add().
  std::optional<std::string> expect();
  void add(std::string path, bool arrived);

  // --- The snapshot's file: taken and left behind by SnapshotWrite.
  std::string snapshot_path() const { return folder_ + "/snapshot"; }
  std::uint64_t snapshot_bytes() const { return snapshot_bytes_; }
  std::uint64_t snapshot_wanted() const { return snapshot_wanted_; }
  void set_snapshot_bytes(std::uint64_t bytes) { snapshot_bytes_ = bytes; }

  // How much there should be.
  void want(std::size_t segments, std::uint64_t snapshot_bytes);
  bool complete() const;
  // Bytes that complete() needs and that are not there.
  std::uint64_t missing_bytes() const;
  std::uint64_t bytes() const;
  std::size_t segments() const { return files_.size(); }

  // Takes what is missing, a file at a time; nullptr: nothing is, or there was no space (until
  // retry()). One piece is out at a time, and no SnapshotWrite beside it.
  std::shared_ptr<LogWork> next_piece();
  void retry() { failed_ = false; }
  // The last attempt found no space.
  bool failed() const { return failed_; }

 private:
  class Allocation;

  runtime::FileSystem& fs_;
  std::string folder_;
  std::uint64_t segment_bytes_;
  std::vector<std::string> files_;  // paths
  std::size_t coming_ = 0;
  std::size_t wanted_ = 0;
  std::uint64_t snapshot_bytes_ = 0;
  std::uint64_t snapshot_wanted_ = 0;
  std::uint64_t next_number_ = 1;
  bool failed_ = false;
};

std::string reserve_folder(const std::string& folder);
// The snapshot's file in reserve_folder().
inline constexpr const char* kSnapshotReserveName = "snapshot";

}  // namespace sluice::storage
