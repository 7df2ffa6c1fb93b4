#include "storage/tail_rewrite.h"

#include <algorithm>
#include <vector>

#include "storage/segment_header.h"

namespace sluice::storage {

using base::Result;

namespace {

constexpr std::size_t kPieceBytes = 1U << 20;

// Fills `out` with what can be read; the rest, and what lies behind the file's end, is zeros.
void read_what_can_be(const runtime::File& file, std::uint64_t at, base::MutableByteView out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  if (file.read_at(at, out)) return;
  for (std::size_t done = 0; done < out.size(); done += kBlockBytes) {
    const auto block = out.subspan(done, std::min(kBlockBytes, out.size() - done));
    if (!file.read_at(at + done, block)) std::fill(block.begin(), block.end(), std::byte{0});
  }
}

}  // namespace

Result<std::shared_ptr<runtime::File>> rewrite_segment(runtime::FileSystem& fs,
                                                       const std::string& folder,
                                                       std::uint64_t number,
                                                       const runtime::File& old,
                                                       std::uint64_t bytes, base::ByteView record,
                                                       const std::optional<std::string>& into) {
  const std::string path = folder + "/" + segment_name(number);
  const std::string temporary = path + std::string(kTemporarySuffix);
  std::shared_ptr<runtime::File> file;
  if (into) {
    // Durable before it gets a third name: no file system may come back with two of them.
    RETURN_IF_ERROR(fs.rename(*into, temporary));
    RETURN_IF_ERROR(fs.sync_folder(folder));
  }
  const auto mode = into ? runtime::OpenMode::kReadWrite : runtime::OpenMode::kCreate;
  ASSIGN_OR_RETURN(file, fs.open(temporary, mode));
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < bytes; at += kPieceBytes) {
    piece.resize(std::min<std::uint64_t>(kPieceBytes, bytes - at));
    read_what_can_be(old, at, piece);
    RETURN_IF_ERROR(file->write_at(at, piece));
  }
  if (!record.empty()) RETURN_IF_ERROR(file->write_at(bytes, record));
  RETURN_IF_ERROR(file->sync_data());
  RETURN_IF_ERROR(fs.rename(temporary, path));
  RETURN_IF_ERROR(fs.sync_folder(folder));
  return file;
}

}  // namespace sluice::storage
