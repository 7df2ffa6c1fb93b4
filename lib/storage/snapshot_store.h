#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log_work.h"
#include "storage/message_index.h"
#include "storage/snapshot_codec.h"

namespace sluice::storage {

// The snapshot files of a log's folder.
struct LoadedSnapshots {
  struct Best {
    Snapshot snapshot;
    MessageIndex index;
  };
  std::optional<Best> best;     // the newest valid one
  std::vector<base::Lsn> good;  // rising; at most the newest two are looked for
  std::vector<SideRoot> sides;  // of the good ones
  std::vector<base::Lsn> bad;
  std::vector<std::string> reasons;  // one for each bad one
};

// Reads only. `lsns` rises. FailedPrecondition where a newer version wrote the newest intact one;
// an I/O error makes a snapshot bad like a wrong checksum does. So does a page of the side index
// that it needs: all pages are read where `check` says so or the folder says that one was bad.
base::Result<LoadedSnapshots> load_snapshots(runtime::FileSystem& fs, const std::string& folder,
                                             const std::vector<base::Lsn>& lsns,
                                             SideCheck check = SideCheck::kInner);

// Disk space that is ready for a snapshot.
struct SnapshotSpace {
  std::string reserve;       // path of the reserve's file
  std::uint64_t bytes = 0;   // of it; 0 = it does not exist
  std::uint64_t wanted = 0;  // that it should have afterwards
  std::string segment_file;  // path of a larger one for this snapshot; empty = none
};

// Writes a snapshot file and then removes those it replaces: tmp, sync, rename, sync of the folder.
// The reserve's file becomes the snapshot, and the first that is replaced becomes the reserve's
// file, so that on a full disk neither gives its space away.
class SnapshotWrite final : public LogWork {
 public:
  // `reserve_bytes`: what the reserve's file has now.
  using Done = std::function<void(base::Lsn, const base::Status&, std::uint64_t reserve_bytes)>;

  // `side`: what must be durable before a snapshot may name it; may be null. `remove`: snapshots
  // that go once this one is durable. `done` is called by finish().
  SnapshotWrite(runtime::FileSystem& fs, const std::string& folder, Snapshot snapshot,
                std::shared_ptr<LogWork> side, std::vector<base::Lsn> remove, SnapshotSpace space,
                Done done);

  base::Status run() override;
  void finish(const base::Status& status) override;

 private:
  base::Status write(const std::string& temporary);
  base::Result<std::unique_ptr<runtime::File>> open(const std::string& temporary);
  void undo(const std::string& temporary);
  base::Status remove_old();

  runtime::FileSystem& fs_;
  std::string folder_;  // of the snapshots
  std::string reserve_folder_;
  Snapshot snapshot_;
  std::shared_ptr<LogWork> side_;
  base::Status side_status_;
  std::vector<base::Lsn> remove_;
  SnapshotSpace space_;
  Done done_;
};

}  // namespace sluice::storage
