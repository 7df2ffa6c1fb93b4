#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/segment_header.h"

namespace sluice::storage {

// A segment that is being written, with its open file. The file may be read from any thread.
struct SegmentFile {
  SegmentHeader header;
  std::shared_ptr<runtime::File> file;
};

// Makes the segment's file with nothing but its header, from `pool_file` (a name in `folder`)
// where given: header, sync, rename, sync of the folder. When this returns, the segment would
// survive a power loss. REQUIRES: the segment before it is synced. Any thread.
base::Result<SegmentFile> create_segment(runtime::FileSystem& fs, const std::string& folder,
                                         const SegmentHeader& header,
                                         const std::optional<std::string>& pool_file);

// The header of a segment's file, as decode_segment_header() says; an I/O error passes.
base::Result<SegmentHeader> read_segment_header(const runtime::File& file);

}  // namespace sluice::storage
