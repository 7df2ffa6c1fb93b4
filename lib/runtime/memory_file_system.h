#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "runtime/crash_plan.h"
#include "runtime/file_system.h"

namespace sluice::runtime {

struct MemoryFileSystemOptions {
  // What the disk writes whole or not at all.
  std::uint32_t sector_bytes = 4096;
  // Writes that need more fail with ENOSPC after the part that fits; 0 = no limit.
  std::uint64_t capacity_bytes = 0;
  // Exist from the start and survive any crash. The root "/" always does.
  std::vector<std::string> folders{};
};

// What can be counted and made to fail.
enum class FileOperation : std::uint8_t {
  kRead,
  kWrite,
  kTruncate,
  kAllocate,
  kSync,
  kCreate,  // of files and folders
  kRename,
  kRemove,
  kSyncFolder,
};

// The nth operation of a kind from now on fails, once.
struct FileFault {
  FileOperation operation = FileOperation::kWrite;
  std::uint64_t nth = 1;
  int errno_value = EIO;
  std::string path_part{};          // counts only operations on paths that contain it
  std::uint64_t bytes_written = 0;  // kWrite: what reaches the page cache all the same
};

// The in-memory twin of the real disk, for tests and simulation. It behaves like the real one until
// somebody pulls the plug: crash() leaves what was synced and of the rest what the plan says.
// Deterministic: no clock and no randomness but the plan's.
//
//  - A file that was created, renamed or removed is so durably only after sync_folder.
//  - A failed sync_data loses what it should have synced: programs go on reading it from the page
//    cache, the disk never gets it.
//  - Space is taken by sectors that were written, zeros too; overwriting takes none.
//
// Safe from any thread. Files and locks may outlive the file system; after a crash or kill theirs
// are dead: every call is an Io error.
class MemoryFileSystem final : public FileSystem {
 public:
  explicit MemoryFileSystem(const MemoryFileSystemOptions& options = {});
  ~MemoryFileSystem() override;

  base::Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  base::Result<std::vector<std::string>> list(const std::string& folder) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status remove(const std::string& path) override;
  base::Status create_folder(const std::string& folder) override;
  base::Status sync_folder(const std::string& folder) override;
  base::Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                               const std::string& owner) override;
  base::Result<DiskSpace> space(const std::string& folder) override;

  // --- The end of the process, or of the power. Open files die, locks are gone, faults are
  // forgotten, and the machine is on again.
  void kill();
  void crash(const CrashPlan& plan);
  // A plan for the present state.
  CrashPlan draw_crash_plan(base::Prng& prng) const;
  // Another disk in the same state, unsynced parts included, with nothing open.
  std::unique_ptr<MemoryFileSystem> clone() const;

  // --- Faults.
  void fail(FileFault fault);
  // The machine stops after `count` more operations that change anything (all but kRead): every
  // later call is an Io error, until kill() or crash().
  void stop_after(std::uint64_t count);
  // 0 = no limit. Less than what is used is allowed, as on a disk that others fill.
  void set_capacity(std::uint64_t bytes);
  // Whether files say that all of them is in the page cache; at first none is.
  void set_in_page_cache(bool all);
  // Flips a bit of what is cached and stored. REQUIRES: the file has that byte.
  void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);

  // --- Looking in.
  // How many operations of a kind there were, failed ones too.
  std::uint64_t operations(FileOperation operation) const;
  // All that change anything.
  std::uint64_t changing_operations() const;
  base::Result<std::vector<std::byte>> contents(const std::string& path) const;
  base::Result<std::vector<std::byte>> durable_contents(const std::string& path) const;
  std::vector<UnsyncedSector> unsynced_sectors() const;
  // Their indices in one file; none for a file that does not exist.
  std::vector<std::uint64_t> unsynced_sectors(const std::string& path) const;
  // Of all writes since each file's last sync; the bound of CrashPlan::prefix_bytes.
  std::uint64_t unsynced_bytes() const;
  std::vector<UnsyncedFolderChange> unsynced_folder_changes() const;

 private:
  struct Machine;
  class OpenFile;
  class HeldLock;

  // Shared with open files and locks.
  std::shared_ptr<Machine> machine_;
};

}  // namespace sluice::runtime
