#include "storage/snapshot_store.h"

#include <algorithm>
#include <utility>

#include "storage/log_files.h"
#include "storage/segment_header.h"
#include "storage/space_reserve.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Status;

namespace {

constexpr std::uint64_t kSnapshotBytesMax = 8ULL << 30;
constexpr std::size_t kKept = 2;

Result<LoadedSnapshots::Best> load(runtime::FileSystem& fs, const std::string& folder, Lsn lsn,
                                   SideCheck check) {
  const std::string path = snapshots_folder(folder) + "/" + snapshot_name(lsn);
  ASSIGN_OR_RETURN(const std::vector<std::byte> file, read_file(fs, path, kSnapshotBytesMax));
  ASSIGN_OR_RETURN(Snapshot snapshot, decode_snapshot(file));
  if (snapshot.lsn != lsn) return base::corruption("snapshot: its LSN is not that of its name");
  ASSIGN_OR_RETURN(MessageIndex index,
                   MessageIndex::decode(snapshot.index, snapshot.segment_bytes));
  snapshot.index = {};
  RETURN_IF_ERROR(
      walk_side_pages(fs, folder, snapshot.log_id, snapshot.side, check, [](std::uint32_t) {}));
  return LoadedSnapshots::Best{std::move(snapshot), std::move(index)};
}

}  // namespace

Result<LoadedSnapshots> load_snapshots(runtime::FileSystem& fs, const std::string& folder,
                                       const std::vector<Lsn>& lsns, SideCheck check) {
  if (fs.open(side_damage_file(folder), runtime::OpenMode::kRead)) check = SideCheck::kAll;
  LoadedSnapshots loaded;
  for (auto lsn = lsns.rbegin(); lsn != lsns.rend() && loaded.good.size() < kKept; ++lsn) {
    const std::string name = snapshot_name(*lsn);
    Result<LoadedSnapshots::Best> one = load(fs, folder, *lsn, check);
    if (one) {
      loaded.sides.push_back(one->snapshot.side);
      if (!loaded.best) loaded.best = std::move(one).value();
      loaded.good.push_back(*lsn);
      continue;
    }
    const bool newer = one.error().code() == base::ErrorCode::kFailedPrecondition;
    if (newer && !loaded.best) return one.error().with_prefix(name);
    loaded.bad.push_back(*lsn);
    loaded.reasons.push_back(one.error().with_prefix(name).message());
  }
  std::reverse(loaded.good.begin(), loaded.good.end());
  std::reverse(loaded.sides.begin(), loaded.sides.end());
  return loaded;
}

SnapshotWrite::SnapshotWrite(runtime::FileSystem& fs, const std::string& folder, Snapshot snapshot,
                             std::shared_ptr<LogWork> side, std::vector<Lsn> remove,
                             SnapshotSpace space, Done done)
    : fs_(fs),
      folder_(snapshots_folder(folder)),
      reserve_folder_(reserve_folder(folder)),
      snapshot_(std::move(snapshot)),
      side_(std::move(side)),
      remove_(std::move(remove)),
      space_(std::move(space)),
      done_(std::move(done)) {}

Status SnapshotWrite::run() {
  if (side_) {
    side_status_ = side_->run();
    RETURN_IF_ERROR(side_status_);
  }
  const std::string path = folder_ + "/" + snapshot_name(snapshot_.lsn);
  const std::string temporary = path + std::string(kTemporarySuffix);
  if (Status written = write(temporary); !written) {
    undo(temporary);
    return written;
  }
  RETURN_IF_ERROR(fs_.rename(temporary, path));
  RETURN_IF_ERROR(fs_.sync_folder(folder_));
  return remove_old();
}

void SnapshotWrite::finish(const Status& status) {
  if (side_) side_->finish(side_status_);
  done_(snapshot_.lsn, status, space_.bytes);
}

Result<std::unique_ptr<runtime::File>> SnapshotWrite::open(const std::string& temporary) {
  std::string from = space_.segment_file;
  if (from.empty() && space_.bytes > 0) from = space_.reserve;
  if (from.empty()) return fs_.open(temporary, runtime::OpenMode::kCreate);
  RETURN_IF_ERROR(fs_.rename(from, temporary));
  if (from == space_.reserve) space_.bytes = 0;
  // Before it gets a third name: no file system may come back with two of them.
  RETURN_IF_ERROR(fs_.sync_folder(folder_));
  return fs_.open(temporary, runtime::OpenMode::kReadWrite);
}

Status SnapshotWrite::write(const std::string& temporary) {
  constexpr std::size_t kPieceBytes = 1U << 20;
  const std::vector<std::byte> bytes = encode_snapshot(snapshot_);
  snapshot_.broker = {};
  snapshot_.index = {};
  ASSIGN_OR_RETURN(const auto file, open(temporary));
  for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    const std::size_t piece = std::min(kPieceBytes, bytes.size() - at);
    RETURN_IF_ERROR(file->write_at(at, ByteView(bytes).subspan(at, piece)));
  }
  RETURN_IF_ERROR(file->truncate(bytes.size()));
  return file->sync_data();
}

// Best effort: a leftover is dealt with at the next start.
void SnapshotWrite::undo(const std::string& temporary) {
  const auto file = fs_.open(temporary, runtime::OpenMode::kRead);
  if (!file) return;
  const auto bytes = (*file)->size();
  const bool keep = space_.wanted > 0 && space_.bytes == 0 && bytes && *bytes > 0;
  if (keep && fs_.rename(temporary, space_.reserve)) {
    space_.bytes = *bytes;
    return;
  }
  if (!fs_.remove(temporary)) return;
}

Status SnapshotWrite::remove_old() {
  for (const Lsn old : remove_) {
    const std::string path = folder_ + "/" + snapshot_name(old);
    if (space_.bytes > 0 || space_.wanted == 0) {
      RETURN_IF_ERROR(fs_.remove(path));
      continue;
    }
    // Written over only when the old name is surely gone: a start must not find it.
    RETURN_IF_ERROR(fs_.rename(path, space_.reserve));
    RETURN_IF_ERROR(fs_.sync_folder(folder_));
    ASSIGN_OR_RETURN(const auto file, fs_.open(space_.reserve, runtime::OpenMode::kReadWrite));
    ASSIGN_OR_RETURN(space_.bytes, file->size());
    if (space_.bytes < space_.wanted && file->allocate(space_.wanted)) space_.bytes = space_.wanted;
  }
  return {};
}

}  // namespace sluice::storage
