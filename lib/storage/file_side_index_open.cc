#include <algorithm>
#include <utility>

#include "storage/file_side_index.h"

// The half of FileSideIndex that files and snapshots are about.
namespace sluice::storage {

using base::Result;
using base::Status;

namespace {

// The file is there, and its name durable.
Status make_side_file(runtime::FileSystem& fs, const std::string& folder) {
  RETURN_IF_ERROR(fs.create_folder(side_folder(folder)));
  RETURN_IF_ERROR(fs.sync_folder(folder));
  const auto found = fs.open(side_file(folder), runtime::OpenMode::kReadWrite);
  if (found) return {};
  if (found.error().code() != base::ErrorCode::kNotFound) return found.error();
  ASSIGN_OR_RETURN(const auto created, fs.open(side_file(folder), runtime::OpenMode::kCreate));
  RETURN_IF_ERROR(created->sync_data());
  return fs.sync_folder(side_folder(folder));
}

class Allocation final : public LogWork {
 public:
  Allocation(SidePager& pager, std::uint64_t bytes) : pager_(pager), bytes_(bytes) {}
  Status run() override {
    // Not synced here: that would be the pages' too, whose failure nobody could stand.
    return pager_.background_file()->allocate(bytes_);
  }
  // A failure is told by what is missing still.
  void finish(const Status& status) override {
    if (status) pager_.allocated(bytes_);
  }

 private:
  SidePager& pager_;
  std::uint64_t bytes_;
};

}  // namespace

Result<std::unique_ptr<FileSideIndex>> FileSideIndex::open(runtime::FileSystem& fs,
                                                           const std::string& folder,
                                                           const Options& options) {
  RETURN_IF_ERROR(make_side_file(fs, folder));
  ASSIGN_OR_RETURN(auto file, fs.open(side_file(folder), runtime::OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(std::shared_ptr<runtime::File> background,
                   fs.open(side_file(folder), runtime::OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(const std::uint64_t bytes, file->size());
  SideSpace space(static_cast<std::uint32_t>(bytes / kSidePageBytes));
  const SideRoot root = options.kept.empty() ? SideRoot() : options.kept.back();
  RETURN_IF_ERROR(walk_side_pages(fs, folder, options.log_id, root, SideCheck::kInner,
                                  [&](std::uint32_t page) { space.mark_taken(page); }));
  std::uint64_t generation = root.generation;
  for (const SideRoot& older : options.kept) {
    if (older == root) continue;
    // What only an older snapshot needs goes with it.
    RETURN_IF_ERROR(walk_side_pages(fs, folder, options.log_id, older, SideCheck::kInner,
                                    [&](std::uint32_t page) {
                                      if (page <= space.pages() && space.is_taken(page)) return;
                                      space.mark_taken(page);
                                      space.retire(page, older.generation + 1);
                                    }));
    generation = std::max(generation, older.generation);
  }
  SidePager pager(std::move(file), std::move(background), options.log_id, options.cache_bytes,
                  generation + 1, std::move(space));
  return std::unique_ptr<FileSideIndex>(new FileSideIndex(fs, folder, std::move(pager), root));
}

std::shared_ptr<SideFlush> FileSideIndex::freeze() {
  const SideRoot root{root_, root_level_, pager_.generation(), entries_};
  return std::make_shared<SideFlush>(pager_, root);
}

void FileSideIndex::trim_memory() {
  leaf_ = nullptr;
  pager_.trim_memory();
}

SideIndexStats FileSideIndex::stats() const {
  SideIndexStats stats;
  stats.entries = entries_;
  stats.pages = pager_.space().pages();
  stats.free_pages = pager_.space().free_pages();
  stats.file_bytes = pager_.file_bytes();
  stats.cache_bytes = pager_.cache_bytes();
  stats.memory_bytes = pager_.memory_bytes();
  stats.page_reads = pager_.reads();
  stats.page_writes = pager_.writes();
  return stats;
}

std::uint64_t FileSideIndex::bytes_to_come() const {
  const std::uint64_t wanted = pager_.space().pages() * std::uint64_t{kSidePageBytes};
  return wanted > pager_.file_bytes() ? wanted - pager_.file_bytes() : 0;
}

std::uint64_t FileSideIndex::spare_bytes_wanted() const {
  constexpr std::uint64_t kSpareBytesMin = 256 * 1024;
  constexpr std::uint64_t kSpareBytesMax = 64ULL << 20;
  const std::uint64_t used = pager_.space().pages() - std::uint64_t{pager_.space().free_pages()};
  return std::clamp(used * kSidePageBytes, kSpareBytesMin, kSpareBytesMax);
}

std::shared_ptr<LogWork> FileSideIndex::take_space() {
  const std::uint64_t bytes = pager_.allocation_for(spare_bytes_wanted());
  return bytes == 0 ? nullptr : std::make_shared<Allocation>(pager_, bytes);
}

// Best effort: without it the next start finds the same page bad when it comes to it.
void FileSideIndex::note_damage() {
  if (status() || !pager_.damaged() || std::exchange(damage_noted_, true)) return;
  const auto write = [&]() -> Status {
    ASSIGN_OR_RETURN(const auto file,
                     fs_.open(side_damage_file(folder_), runtime::OpenMode::kCreate));
    RETURN_IF_ERROR(file->write_at(0, base::as_bytes(status().error().message() + "\n")));
    RETURN_IF_ERROR(file->sync_data());
    return fs_.sync_folder(side_folder(folder_));
  };
  if (const Status written = write(); !written) return;
}

}  // namespace sluice::storage
