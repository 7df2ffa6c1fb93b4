#include "storage/segment_pool.h"

#include <algorithm>
#include <utility>

#include "storage/log_format.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::Status;

namespace {

// Small enough that a commit beside it waits for a few milliseconds at most.
constexpr std::uint64_t kSliceBytes = 1U << 20;

}  // namespace

// A pool file in the making. Touched by the thread that runs the slice; slices follow each other.
struct SegmentPool::Filling {
  std::string name;
  std::string temporary;  // path
  std::unique_ptr<runtime::File> file;
  std::uint64_t written = 0;
  bool complete = false;
};

class SegmentPool::Slice final : public LogWork {
 public:
  Slice(SegmentPool& pool, std::shared_ptr<Filling> filling)
      : pool_(pool), filling_(std::move(filling)) {}

  Status run() override {
    Status status = fill();
    if (!status) {
      filling_->file.reset();
      // It may not exist; a leftover goes at the next start.
      if (!pool_.fs_.remove(filling_->temporary)) return status;
    }
    return status;
  }

  void finish(const Status& status) override { pool_.slice_done(*filling_, status.has_value()); }

 private:
  Status fill() {
    Filling& filling = *filling_;
    runtime::FileSystem& fs = pool_.fs_;
    if (!filling.file) {
      ASSIGN_OR_RETURN(filling.file, fs.open(filling.temporary, runtime::OpenMode::kCreate));
    }
    const std::uint64_t bytes = std::min(kSliceBytes, pool_.segment_bytes_ - filling.written);
    const std::vector<std::byte> zeros(bytes);
    RETURN_IF_ERROR(filling.file->write_at(filling.written, zeros));
    RETURN_IF_ERROR(filling.file->sync_data());
    filling.written += bytes;
    if (filling.written < pool_.segment_bytes_) return {};
    RETURN_IF_ERROR(fs.rename(filling.temporary, pool_.folder_ + "/" + filling.name));
    RETURN_IF_ERROR(fs.sync_folder(pool_.folder_));
    filling.complete = true;
    return {};
  }

  SegmentPool& pool_;  // only members that never change are used by run()
  std::shared_ptr<Filling> filling_;
};

SegmentPool::SegmentPool(runtime::FileSystem& fs, std::string folder, std::uint64_t segment_bytes,
                         std::uint32_t files_max, std::vector<std::string> files)
    : fs_(fs),
      folder_(std::move(folder)),
      segment_bytes_(segment_bytes),
      files_max_(files_max),
      files_(std::move(files)) {
  for (const std::string& file : files_) {
    next_number_ = std::max(next_number_, parse_pool_name(file).value_or(0) + 1);
  }
}

std::optional<std::string> SegmentPool::take() {
  if (files_.empty()) return std::nullopt;
  std::string file = std::move(files_.back());
  files_.pop_back();
  return file;
}

std::optional<std::string> SegmentPool::reserve_name() {
  const std::size_t coming = reserved_ + (filling_ ? 1U : 0U);
  if (files_.size() + coming >= files_max_) return std::nullopt;
  ++reserved_;
  return pool_name(next_number_++);
}

void SegmentPool::add(std::string name, bool arrived) {
  --reserved_;
  if (arrived) files_.push_back(std::move(name));
}

std::shared_ptr<LogWork> SegmentPool::next_slice(std::uint32_t wanted) {
  if (slice_out_ || failed_) return nullptr;
  if (!filling_) {
    if (files_.size() + reserved_ >= std::min(wanted, files_max_)) return nullptr;
    filling_ = std::make_shared<Filling>();
    filling_->name = pool_name(next_number_++);
    filling_->temporary = folder_ + "/" + filling_->name + std::string(kTemporarySuffix);
  }
  slice_out_ = true;
  return std::make_shared<Slice>(*this, filling_);
}

void SegmentPool::slice_done(const Filling& filling, bool ok) {
  slice_out_ = false;
  failed_ = !ok;
  if (ok && !filling.complete) return;
  if (ok) files_.push_back(filling.name);
  filling_.reset();
}

}  // namespace sluice::storage
