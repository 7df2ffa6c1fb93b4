#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/crash_plan.h"
#include "runtime/memory_file.h"

namespace sluice::runtime {

// The state of a MemoryFileSystem without its open files: a tree of folders and files of which
// everything exists twice, as programs see it and as a power loss leaves it. A value: a copy is
// another disk with the same state. Paths are absolute or relative to the same root. Errors are
// those of the operating system. Not thread-safe.
class MemoryDisk {
 public:
  using InodeId = std::uint64_t;

  explicit MemoryDisk(std::uint32_t sector_bytes);

  base::Result<InodeId> find(std::string_view path) const;
  base::Result<InodeId> find_file(std::string_view path) const;
  base::Result<InodeId> create_file(const std::string& path);
  base::Status create_folder(const std::string& path);
  base::Result<std::vector<std::string>> list(const std::string& path) const;
  base::Status rename(const std::string& from, const std::string& to);
  base::Status remove(const std::string& path);
  base::Status sync_folder(const std::string& path);
  // Makes all that exists durable.
  void sync_everything();

  // REQUIRES: a file that exists, or that was removed and is still in `open` of forget_removed().
  MemoryFile& file(InodeId id);
  std::uint64_t next_write_order() { return ++writes_; }

  // Frees files that have no name any more, neither now nor after a power loss, and are not open.
  void forget_removed(const std::set<InodeId>& open);
  // Disk space of all that has a name or is open.
  std::uint64_t allocated_bytes(const std::set<InodeId>& open) const;

  std::vector<UnsyncedSector> unsynced_sectors() const;
  std::uint64_t unsynced_bytes() const;
  std::vector<UnsyncedFolderChange> unsynced_folder_changes() const;
  void crash(const CrashPlan& plan);

 private:
  using Entries = std::map<std::string, InodeId, std::less<>>;

  struct Inode {
    std::string path;  // its name, or the last one it had
    bool is_folder = false;
    MemoryFile file;
    Entries entries;
    Entries durable_entries;
  };
  // `name` in `folder` becomes `inode`, or vanishes.
  struct EntryChange {
    InodeId folder = 0;
    std::string name;
    std::optional<InodeId> inode;
  };
  struct PendingChange {
    UnsyncedFolderChange description;
    std::vector<EntryChange> entries;  // all or none of them survive
  };
  struct Place {
    InodeId folder = 0;
    std::string name;
    std::optional<InodeId> inode;
  };

  base::Result<Place> place_of(std::string_view path, const char* what) const;
  InodeId add_inode(const std::string& path, bool is_folder);
  void change(FolderChange kind, const std::string& path, const std::string& new_path,
              std::vector<EntryChange> entries);
  std::set<InodeId> reachable(bool durable_too) const;
  void crash_writes_after(std::uint64_t bytes);

  std::uint32_t sector_bytes_;
  std::map<InodeId, Inode> inodes_;
  InodeId last_inode_ = 0;
  std::vector<PendingChange> pending_;
  std::uint64_t writes_ = 0;
};

}  // namespace sluice::runtime
