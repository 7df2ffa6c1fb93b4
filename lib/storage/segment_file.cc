#include "storage/segment_file.h"

#include <vector>

namespace sluice::storage {

base::Result<SegmentFile> create_segment(runtime::FileSystem& fs, const std::string& folder,
                                         const SegmentHeader& header,
                                         const std::optional<std::string>& pool_file) {
  const std::string name = folder + "/" + segment_name(header.number);
  const std::string from =
      pool_file ? folder + "/" + *pool_file : name + std::string(kTemporarySuffix);
  const runtime::OpenMode mode =
      pool_file ? runtime::OpenMode::kReadWrite : runtime::OpenMode::kCreate;
  SegmentFile segment;
  segment.header = header;
  ASSIGN_OR_RETURN(segment.file, fs.open(from, mode));
  std::vector<std::byte> block(kSegmentDataOffset);
  encode_segment_header(header, block);
  RETURN_IF_ERROR(segment.file->write_at(0, block));
  RETURN_IF_ERROR(segment.file->sync_data());
  RETURN_IF_ERROR(fs.rename(from, name));
  RETURN_IF_ERROR(fs.sync_folder(folder));
  return segment;
}

base::Result<SegmentHeader> read_segment_header(const runtime::File& file) {
  std::vector<std::byte> block(kSegmentDataOffset);
  ASSIGN_OR_RETURN(const std::size_t bytes, file.read_at(0, block));
  return decode_segment_header(base::ByteView(block).first(bytes));
}

}  // namespace sluice::storage
