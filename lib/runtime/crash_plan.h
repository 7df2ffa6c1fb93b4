#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"

// What survives when the power of a MemoryFileSystem fails.
namespace sluice::runtime {

// A sector whose newest bytes no sync has made durable. Ordinals count from 0 through all files in
// the order of their creation, ascending in each.
struct UnsyncedSector {
  std::string path;
  std::uint64_t index = 0;  // offset in the file / sector size
  std::uint64_t ordinal = 0;
  // It begins with bytes that were made durable and not changed since, as where a log grows.
  bool holds_synced = false;
};

enum class SectorFate : std::uint8_t {
  kLost,     // as it was at the last sync
  kKept,     // as it was last written
  kGarbled,  // neither
};

enum class FolderChange : std::uint8_t { kCreate, kRename, kRemove };

// A change of names that no sync of its folder has made durable; ordinals are the order in which
// they happened.
struct UnsyncedFolderChange {
  FolderChange change = FolderChange::kCreate;
  std::string path;
  std::string new_path;  // kRename
  std::uint64_t ordinal = 0;
};

// Without anything set, whatever was not synced is lost.
struct CrashPlan {
  // Writes of all files reach the disk in the order they were made, and only this many bytes do;
  // `sector` and `sizes_kept` mean nothing then.
  std::optional<std::uint64_t> prefix_bytes;
  // Decides each unsynced sector by itself.
  std::function<SectorFate(const UnsyncedSector&)> sector;
  // An unsynced change of a file's size survives even where the sectors do not: the new part reads
  // as zeros. Otherwise a file is as long as its last sector that survives.
  bool sizes_kept = false;
  std::uint64_t garble_seed = 1;
  std::function<bool(const UnsyncedFolderChange&)> folder_change_kept;

  static CrashPlan lose_unsynced() { return {}; }
  static CrashPlan keep_all();
  static CrashPlan keep_prefix(std::uint64_t bytes);
  // Sector number i is kept where mask[i]; those beyond the mask are lost.
  static CrashPlan keep_sectors(std::vector<bool> mask);
  // Any of these and more, drawn for a state with that much to lose. A sector that holds synced
  // bytes is as it was or as it was written, never garbled: who appends relies on that
  // (docs/log-format.md, "Writing").
  static CrashPlan draw(base::Prng& prng, std::uint64_t unsynced_bytes,
                        std::uint64_t unsynced_folder_changes);

  // Keeps the first `count` changes of names.
  CrashPlan& keep_folder_changes(std::uint64_t count);
};

}  // namespace sluice::runtime
