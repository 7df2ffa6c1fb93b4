#include "storage/segment_file.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::storage {

namespace {

struct Opened {
  std::shared_ptr<runtime::File> file;
  std::string path;
};

// Without space and without a reserve the file grows as long as it can.
base::Result<Opened> open_source(runtime::FileSystem& fs, const std::string& folder,
                                 const std::string& name, std::uint64_t bytes,
                                 SegmentSource& source) {
  Opened opened;
  if (source.pool_file) {
    opened.path = folder + "/" + *source.pool_file;
    ASSIGN_OR_RETURN(opened.file, fs.open(opened.path, runtime::OpenMode::kReadWrite));
    return opened;
  }
  opened.path = name + std::string(kTemporarySuffix);
  ASSIGN_OR_RETURN(opened.file, fs.open(opened.path, runtime::OpenMode::kCreate));
  const base::Status allocated = opened.file->allocate(bytes);
  if (allocated || allocated.error().code() != base::ErrorCode::kResourceExhausted) {
    if (!allocated) return allocated.error();
    return opened;
  }
  if (!source.reserve_file) {
    RETURN_IF_ERROR(opened.file->truncate(0));
    return opened;
  }
  opened.file.reset();
  RETURN_IF_ERROR(fs.remove(opened.path));
  opened.path = *std::exchange(source.reserve_file, std::nullopt);
  ASSIGN_OR_RETURN(opened.file, fs.open(opened.path, runtime::OpenMode::kReadWrite));
  return opened;
}

}  // namespace

base::Result<SegmentFile> create_segment(runtime::FileSystem& fs, const std::string& folder,
                                         const SegmentHeader& header, SegmentSource& source) {
  const std::string name = folder + "/" + segment_name(header.number);
  ASSIGN_OR_RETURN(Opened opened, open_source(fs, folder, name, header.segment_bytes, source));
  SegmentFile segment;
  segment.header = header;
  segment.file = std::move(opened.file);
  std::vector<std::byte> block(kSegmentDataOffset);
  encode_segment_header(header, block);
  RETURN_IF_ERROR(segment.file->write_at(0, block));
  RETURN_IF_ERROR(segment.file->sync_data());
  RETURN_IF_ERROR(fs.rename(opened.path, name));
  RETURN_IF_ERROR(fs.sync_folder(folder));
  return segment;
}

base::Result<SegmentHeader> read_segment_header(const runtime::File& file) {
  std::vector<std::byte> block(kSegmentDataOffset);
  ASSIGN_OR_RETURN(const std::size_t bytes, file.read_at(0, block));
  return decode_segment_header(base::ByteView(block).first(bytes));
}

base::Result<bool> is_zeros(const runtime::File& file) {
  std::vector<std::byte> piece(1U << 16);
  for (std::uint64_t at = 0;; at += piece.size()) {
    ASSIGN_OR_RETURN(const std::size_t got, file.read_at(at, piece));
    const auto end = piece.begin() + static_cast<std::ptrdiff_t>(got);
    if (std::any_of(piece.begin(), end, [](std::byte byte) { return byte != std::byte{0}; })) {
      return false;
    }
    if (got < piece.size()) return true;
  }
}

}  // namespace sluice::storage
