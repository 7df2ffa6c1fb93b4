#include "storage/log_files.h"

#include <algorithm>

#include "storage/extent_header.h"
#include "storage/segment_header.h"
#include "storage/space_reserve.h"

namespace sluice::storage {

namespace {

base::Result<std::vector<std::string>> list_if_there(runtime::FileSystem& fs,
                                                     const std::string& folder) {
  base::Result<std::vector<std::string>> names = fs.list(folder);
  if (!names && names.error().code() == base::ErrorCode::kNotFound) {
    return std::vector<std::string>();
  }
  return names;
}

}  // namespace

base::Result<LogFiles> list_log_files(runtime::FileSystem& fs, const std::string& folder) {
  LogFiles files;
  const auto leave = [&](const std::string& where, const std::string& name) {
    files.leftovers.push_back(where);
    files.leftovers.back().append("/").append(name);
  };
  const std::string segments = segments_folder(folder);
  ASSIGN_OR_RETURN(const std::vector<std::string> segment_names, list_if_there(fs, segments));
  for (const std::string& name : segment_names) {
    if (const auto number = parse_segment_name(name)) files.segments.push_back(*number);
    if (const auto number = parse_extent_name(name)) files.extents.push_back(*number);
    if (parse_pool_name(name)) files.pool.push_back(name);
    if (name.ends_with(kTemporarySuffix)) leave(segments, name);
  }
  const std::string snapshots = snapshots_folder(folder);
  ASSIGN_OR_RETURN(const std::vector<std::string> snapshot_names, list_if_there(fs, snapshots));
  for (const std::string& name : snapshot_names) {
    if (const auto lsn = parse_snapshot_name(name)) files.snapshots.push_back(*lsn);
    if (name.ends_with(kTemporarySuffix)) leave(snapshots, name);
  }
  const std::string reserve = reserve_folder(folder);
  ASSIGN_OR_RETURN(const std::vector<std::string> reserve_names, list_if_there(fs, reserve));
  for (const std::string& name : reserve_names) {
    if (parse_pool_name(name)) files.reserve.push_back(name);
    if (name == kSnapshotReserveName) files.snapshot_reserve = true;
    if (name.ends_with(kTemporarySuffix)) leave(reserve, name);
  }
  std::sort(files.extents.begin(), files.extents.end());
  std::sort(files.segments.begin(), files.segments.end());
  std::sort(files.snapshots.begin(), files.snapshots.end());
  return files;
}

base::Result<std::vector<std::byte>> read_file(runtime::FileSystem& fs, const std::string& path,
                                               std::uint64_t bytes_max) {
  ASSIGN_OR_RETURN(const auto file, fs.open(path, runtime::OpenMode::kRead));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
  if (size > bytes_max) return base::resource_exhausted(path + ": too large to be read");
  std::vector<std::byte> bytes(size);
  ASSIGN_OR_RETURN(const std::size_t got, file->read_at(0, bytes));
  bytes.resize(got);
  return bytes;
}

}  // namespace sluice::storage
