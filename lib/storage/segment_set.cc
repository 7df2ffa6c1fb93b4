#include "storage/segment_set.h"

#include <utility>

#include "storage/extent_header.h"

namespace sluice::storage {

SegmentSet::SegmentSet(runtime::FileSystem& fs, std::string folder, std::uint64_t segment_bytes,
                       std::uint32_t open_files_max)
    : fs_(fs),
      folder_(std::move(folder)),
      segment_bytes_(segment_bytes),
      open_files_max_(open_files_max) {}

void SegmentSet::add(const SegmentExtent& extent, std::shared_ptr<runtime::File> file) {
  segments_[extent.number] = {extent, std::move(file), ++uses_};
  close_longest_unused();
}

std::vector<std::uint64_t> SegmentSet::numbers() const {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(segments_.size());
  for (const auto& [number, segment] : segments_) {
    if (!is_extent(number) && !segment.retired) numbers.push_back(number);
  }
  return numbers;
}

std::vector<std::uint64_t> SegmentSet::extents() const {
  std::vector<std::uint64_t> numbers;
  for (auto at = segments_.lower_bound(kExtentNumberFirst); at != segments_.end(); ++at) {
    if (!at->second.retired) numbers.push_back(at->first);
  }
  return numbers;
}

std::uint64_t SegmentSet::file_bytes(std::uint64_t number) const {
  const auto found = segments_.find(number);
  if (found == segments_.end()) return 0;
  return is_extent(number) ? found->second.extent.extent_bytes : segment_bytes_;
}

base::Result<SegmentSet::Place> SegmentSet::place(base::Lsn lsn) {
  const std::uint64_t number = number_of(lsn);
  const auto found = segments_.find(number);
  if (found == segments_.end()) {
    return base::not_found("LSN " + std::to_string(lsn.value()) + ": " + describe(number) +
                           " does not exist");
  }
  Segment& segment = found->second;
  segment.used_at = ++uses_;
  if (!segment.file) {
    const std::string path = folder_ + "/" + data_file_name(number);
    ASSIGN_OR_RETURN(segment.file, fs_.open(path, runtime::OpenMode::kRead));
    close_longest_unused();
  }
  return Place{segment.extent, segment.file, lsn - segment.extent.base()};
}

// A linear search, but only where a file was opened just before.
void SegmentSet::close_longest_unused() {
  std::uint32_t open = 0;
  Segment* longest = nullptr;
  for (auto& [number, segment] : segments_) {
    if (!segment.file) continue;
    ++open;
    if (longest == nullptr || segment.used_at < longest->used_at) longest = &segment;
  }
  if (open > open_files_max_) longest->file.reset();
}

std::string SegmentSet::describe(std::uint64_t number) {
  return (is_extent(number) ? "extent " : "segment ") + data_file_name(number);
}

}  // namespace sluice::storage
