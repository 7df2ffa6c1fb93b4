#include "runtime/memory_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "runtime/file_error.h"

namespace sluice::runtime {
namespace {

constexpr MemoryDisk::InodeId kRoot = 1;

// Splits the first name off `path`, skipping slashes; empty at its end.
std::string_view take_name(std::string_view& path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  const std::string_view name = path.substr(0, path.find('/'));
  path.remove_prefix(name.size());
  return name;
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

void set_entry(std::map<std::string, MemoryDisk::InodeId, std::less<>>& entries,
               const std::string& name, std::optional<MemoryDisk::InodeId> inode) {
  if (inode) {
    entries.insert_or_assign(name, *inode);
  } else {
    entries.erase(name);
  }
}

}  // namespace

MemoryDisk::MemoryDisk(std::uint32_t sector_bytes) : sector_bytes_(sector_bytes) {
  CHECK(sector_bytes > 0);
  add_inode("/", true);
}

MemoryDisk::InodeId MemoryDisk::add_inode(const std::string& path, bool is_folder) {
  ++last_inode_;
  inodes_.emplace(last_inode_, Inode{path, is_folder, MemoryFile(sector_bytes_), {}, {}});
  return last_inode_;
}

base::Result<MemoryDisk::Place> MemoryDisk::place_of(std::string_view path,
                                                     const char* what) const {
  Place place{kRoot, "", kRoot};
  std::string_view rest = path;
  for (std::string_view name = take_name(rest); !name.empty(); name = take_name(rest)) {
    if (!place.inode) return file_error(what, path, ENOENT);
    const Inode& folder = inodes_.at(*place.inode);
    if (!folder.is_folder) return file_error(what, path, ENOTDIR);
    const auto found = folder.entries.find(name);
    place = Place{*place.inode, std::string(name), std::nullopt};
    if (found != folder.entries.end()) place.inode = found->second;
  }
  return place;
}

base::Result<MemoryDisk::InodeId> MemoryDisk::find(std::string_view path) const {
  ASSIGN_OR_RETURN(const Place place, place_of(path, "open"));
  if (!place.inode) return file_error("open", path, ENOENT);
  return *place.inode;
}

base::Result<MemoryDisk::InodeId> MemoryDisk::find_file(std::string_view path) const {
  ASSIGN_OR_RETURN(const InodeId id, find(path));
  if (inodes_.at(id).is_folder) return file_error("open", path, EISDIR);
  return id;
}

void MemoryDisk::change(FolderChange kind, const std::string& path, const std::string& new_path,
                        std::vector<EntryChange> entries) {
  for (const EntryChange& entry : entries) {
    set_entry(inodes_.at(entry.folder).entries, entry.name, entry.inode);
  }
  pending_.push_back({{kind, path, new_path, 0}, std::move(entries)});
}

base::Result<MemoryDisk::InodeId> MemoryDisk::create_file(const std::string& path) {
  ASSIGN_OR_RETURN(const Place place, place_of(path, "open"));
  if (place.inode) return file_error("open", path, EEXIST);
  const InodeId id = add_inode(path, false);
  change(FolderChange::kCreate, path, "", {{place.folder, place.name, id}});
  return id;
}

base::Status MemoryDisk::create_folder(const std::string& path) {
  std::string_view rest = path;
  for (std::string_view name = take_name(rest); !name.empty(); name = take_name(rest)) {
    const std::string prefix = path.substr(0, path.size() - rest.size());
    ASSIGN_OR_RETURN(const Place place, place_of(prefix, "create folder"));
    if (!place.inode) {
      change(FolderChange::kCreate, prefix, "",
             {{place.folder, place.name, add_inode(prefix, true)}});
    } else if (!inodes_.at(*place.inode).is_folder) {
      return file_error("create folder", path, EEXIST);
    }
  }
  return {};
}

base::Result<std::vector<std::string>> MemoryDisk::list(const std::string& path) const {
  ASSIGN_OR_RETURN(const InodeId id, find(path));
  const Inode& folder = inodes_.at(id);
  if (!folder.is_folder) return file_error("list", path, ENOTDIR);
  std::vector<std::string> names;
  for (const auto& [name, inode] : folder.entries) names.push_back(name);
  return names;
}

base::Status MemoryDisk::rename(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const Place source, place_of(from, "rename"));
  ASSIGN_OR_RETURN(const Place target, place_of(to, "rename"));
  if (!source.inode) return file_error("rename", from, ENOENT);
  if (source.inode == target.inode) return {};
  const bool moves_folder = inodes_.at(*source.inode).is_folder;
  if (target.inode) {
    const Inode& replaced = inodes_.at(*target.inode);
    if (moves_folder && !replaced.is_folder) return file_error("rename", to, ENOTDIR);
    if (!moves_folder && replaced.is_folder) return file_error("rename", to, EISDIR);
    if (!replaced.entries.empty()) return file_error("rename", to, ENOTEMPTY);
  }
  if (moves_folder && (*source.inode == kRoot || is_below(to, from))) {
    return file_error("rename", from, EINVAL);
  }
  change(FolderChange::kRename, from, to,
         {{source.folder, source.name, std::nullopt}, {target.folder, target.name, source.inode}});
  for (auto& [id, inode] : inodes_) {
    if (is_below(inode.path, from) && moves_folder) inode.path.replace(0, from.size(), to);
  }
  inodes_.at(*source.inode).path = to;
  return {};
}

base::Status MemoryDisk::remove(const std::string& path) {
  ASSIGN_OR_RETURN(const Place place, place_of(path, "remove"));
  if (!place.inode) return file_error("remove", path, ENOENT);
  if (*place.inode == kRoot) return file_error("remove", path, EBUSY);
  if (!inodes_.at(*place.inode).entries.empty()) return file_error("remove", path, ENOTEMPTY);
  change(FolderChange::kRemove, path, "", {{place.folder, place.name, std::nullopt}});
  return {};
}

base::Status MemoryDisk::sync_folder(const std::string& path) {
  ASSIGN_OR_RETURN(const InodeId id, find(path));
  if (!inodes_.at(id).is_folder) return file_error("open folder", path, ENOTDIR);
  const auto concerns = [id](const EntryChange& entry) { return entry.folder == id; };
  std::vector<PendingChange> others;
  for (PendingChange& pending : pending_) {
    if (std::none_of(pending.entries.begin(), pending.entries.end(), concerns)) {
      others.push_back(std::move(pending));
      continue;
    }
    for (const EntryChange& entry : pending.entries) {
      set_entry(inodes_.at(entry.folder).durable_entries, entry.name, entry.inode);
    }
  }
  pending_ = std::move(others);
  return {};
}

void MemoryDisk::sync_everything() {
  pending_.clear();
  for (auto& [id, inode] : inodes_) {
    inode.durable_entries = inode.entries;
    inode.file.sync();
  }
}

MemoryFile& MemoryDisk::file(InodeId id) {
  Inode& inode = inodes_.at(id);
  CHECK(!inode.is_folder);
  return inode.file;
}

std::set<MemoryDisk::InodeId> MemoryDisk::reachable(bool durable_too) const {
  std::set<InodeId> seen;
  std::vector<InodeId> to_visit = {kRoot};
  if (durable_too) {
    for (const PendingChange& pending : pending_) {
      for (const EntryChange& entry : pending.entries) {
        to_visit.push_back(entry.folder);
        if (entry.inode) to_visit.push_back(*entry.inode);
      }
    }
  }
  while (!to_visit.empty()) {
    const InodeId id = to_visit.back();
    to_visit.pop_back();
    if (!seen.insert(id).second) continue;
    const Inode& inode = inodes_.at(id);
    for (const auto& [name, child] : inode.entries) to_visit.push_back(child);
    if (!durable_too) continue;
    for (const auto& [name, child] : inode.durable_entries) to_visit.push_back(child);
  }
  return seen;
}

void MemoryDisk::forget_removed(const std::set<InodeId>& open) {
  const std::set<InodeId> kept = reachable(true);
  std::erase_if(inodes_, [&](const auto& item) {
    return !kept.contains(item.first) && !open.contains(item.first);
  });
}

std::uint64_t MemoryDisk::allocated_bytes(const std::set<InodeId>& open) const {
  std::set<InodeId> counted = reachable(false);
  counted.insert(open.begin(), open.end());
  std::uint64_t bytes = 0;
  for (const InodeId id : counted) bytes += inodes_.at(id).file.allocated_bytes();
  return bytes;
}

std::vector<UnsyncedSector> MemoryDisk::unsynced_sectors() const {
  std::vector<UnsyncedSector> sectors;
  for (const auto& [id, inode] : inodes_) {
    for (const std::uint64_t index : inode.file.unsynced_sectors()) {
      sectors.push_back({inode.path, index, sectors.size(), inode.file.holds_synced(index)});
    }
  }
  return sectors;
}

std::uint64_t MemoryDisk::unsynced_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, inode] : inodes_) {
    for (const MemoryFile::Change& written : inode.file.unsynced_changes()) {
      bytes += written.data.size();
    }
  }
  return bytes;
}

std::vector<UnsyncedFolderChange> MemoryDisk::unsynced_folder_changes() const {
  std::vector<UnsyncedFolderChange> changes;
  for (const PendingChange& pending : pending_) {
    changes.push_back(pending.description);
    changes.back().ordinal = changes.size() - 1;
  }
  return changes;
}

void MemoryDisk::crash(const CrashPlan& plan) {
  if (plan.prefix_bytes) {
    crash_writes_after(*plan.prefix_bytes);
  } else {
    std::uint64_t ordinal = 0;
    for (auto& [id, inode] : inodes_) {
      const auto fate = [&plan, &ordinal, &path = inode.path](std::uint64_t index,
                                                              bool holds_synced) {
        const UnsyncedSector sector{path, index, ordinal++, holds_synced};
        return plan.sector ? plan.sector(sector) : SectorFate::kLost;
      };
      inode.file.crash_keeping_sectors(fate, plan.sizes_kept, plan.garble_seed + (id << 32));
    }
  }
  const std::vector<UnsyncedFolderChange> changes = unsynced_folder_changes();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (!plan.folder_change_kept || !plan.folder_change_kept(changes[i])) continue;
    for (const EntryChange& entry : pending_[i].entries) {
      set_entry(inodes_.at(entry.folder).durable_entries, entry.name, entry.inode);
    }
  }
  pending_.clear();
  for (auto& [id, inode] : inodes_) inode.entries = inode.durable_entries;
  forget_removed({});
}

// Keeps what was written first, over all files, cut after `bytes`.
void MemoryDisk::crash_writes_after(std::uint64_t bytes) {
  std::map<std::uint64_t, InodeId> writes;
  for (const auto& [id, inode] : inodes_) {
    for (const MemoryFile::Change& written : inode.file.unsynced_changes()) {
      writes.emplace(written.order, id);
    }
  }
  struct Kept {
    std::size_t changes = 0;
    std::uint64_t more_bytes = 0;
  };
  std::map<InodeId, Kept> kept;
  for (const auto& [order, id] : writes) {
    Kept& of_file = kept[id];
    const MemoryFile::Change& next = inodes_.at(id).file.unsynced_changes()[of_file.changes];
    if (next.data.size() > bytes) {
      of_file.more_bytes = bytes;
      break;
    }
    bytes -= next.data.size();
    ++of_file.changes;
  }
  for (auto& [id, inode] : inodes_) {
    inode.file.crash_keeping_changes(kept[id].changes, kept[id].more_bytes);
  }
}

}  // namespace sluice::runtime
