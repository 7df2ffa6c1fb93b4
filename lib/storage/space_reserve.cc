#include "storage/space_reserve.h"

#include <algorithm>
#include <utility>

#include "storage/segment_header.h"

namespace sluice::storage {

using base::Status;

std::string reserve_folder(const std::string& folder) { return folder + "/reserve"; }

// A file of the reserve gets its space.
class SpaceReserve::Allocation final : public LogWork {
 public:
  // Of an existing file, or of a new one.
  Allocation(SpaceReserve& reserve, std::string path, std::uint64_t bytes, bool exists)
      : reserve_(reserve), path_(std::move(path)), bytes_(bytes), exists_(exists) {}

  Status run() override {
    if (exists_) return allocate(path_, runtime::OpenMode::kReadWrite);
    const std::string temporary = path_ + std::string(kTemporarySuffix);
    if (Status allocated = allocate(temporary, runtime::OpenMode::kCreate); !allocated) {
      // It may not exist; a leftover goes at the next start.
      if (!reserve_.fs_.remove(temporary)) return allocated;
      return allocated;
    }
    RETURN_IF_ERROR(reserve_.fs_.rename(temporary, path_));
    return reserve_.fs_.sync_folder(reserve_.folder_);
  }

  void finish(const Status& status) override {
    const bool good = status.has_value();
    reserve_.failed_ = !good;
    if (path_ != reserve_.snapshot_path()) {
      reserve_.add(path_, good);
    } else if (good) {
      reserve_.snapshot_bytes_ = bytes_;
    }
  }

 private:
  Status allocate(const std::string& path, runtime::OpenMode mode) {
    ASSIGN_OR_RETURN(const auto file, reserve_.fs_.open(path, mode));
    RETURN_IF_ERROR(file->allocate(bytes_));
    return file->sync_data();
  }

  SpaceReserve& reserve_;  // run() uses only members that never change
  std::string path_;
  std::uint64_t bytes_;
  bool exists_;
};

SpaceReserve::SpaceReserve(runtime::FileSystem& fs, const std::string& folder,
                           std::uint64_t segment_bytes, const Found& found)
    : fs_(fs),
      folder_(reserve_folder(folder)),
      segment_bytes_(segment_bytes),
      snapshot_bytes_(found.snapshot_bytes) {
  for (const std::string& name : found.segments) {
    files_.push_back(folder_ + "/" + name);
    next_number_ = std::max(next_number_, parse_pool_name(name).value_or(0) + 1);
  }
}

std::optional<std::string> SpaceReserve::take() {
  if (files_.empty()) return std::nullopt;
  std::string path = std::move(files_.back());
  files_.pop_back();
  return path;
}

std::optional<std::string> SpaceReserve::expect() {
  if (files_.size() + coming_ >= wanted_) return std::nullopt;
  ++coming_;
  return folder_ + "/" + pool_name(next_number_++);
}

void SpaceReserve::add(std::string path, bool arrived) {
  --coming_;
  if (arrived) files_.push_back(std::move(path));
}

void SpaceReserve::want(std::size_t segments, std::uint64_t snapshot_bytes) {
  wanted_ = segments;
  snapshot_wanted_ = (snapshot_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

bool SpaceReserve::complete() const { return missing_bytes() == 0; }

std::uint64_t SpaceReserve::missing_bytes() const {
  const std::uint64_t files = wanted_ > files_.size() ? wanted_ - files_.size() : 0;
  const std::uint64_t snapshot =
      snapshot_wanted_ > snapshot_bytes_ ? snapshot_wanted_ - snapshot_bytes_ : 0;
  return files * segment_bytes_ + snapshot;
}

std::uint64_t SpaceReserve::bytes() const {
  return files_.size() * segment_bytes_ + snapshot_bytes_;
}

std::shared_ptr<LogWork> SpaceReserve::next_piece() {
  if (failed_) return nullptr;
  if (snapshot_bytes_ < snapshot_wanted_) {
    return std::make_shared<Allocation>(*this, snapshot_path(), snapshot_wanted_,
                                        snapshot_bytes_ > 0);
  }
  std::optional<std::string> path = expect();
  if (!path) return nullptr;
  return std::make_shared<Allocation>(*this, std::move(*path), segment_bytes_, false);
}

}  // namespace sluice::storage
