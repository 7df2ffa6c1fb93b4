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

// What a segment's file is made of: `pool_file` where there is one, else a new file, else, on a
// full disk, `reserve_file`.
struct SegmentSource {
  std::optional<std::string> pool_file;     // a name in the segments' folder
  std::optional<std::string> reserve_file;  // a path
};

// Makes the segment's file with nothing but its header: header, sync, rename, sync of the folder.
// When this returns, the segment would survive a power loss, and its disk space is taken as far as
// there was enough. `source.reserve_file` is empty afterwards where it was used. REQUIRES: the
// segment before it is synced. Any thread.
base::Result<SegmentFile> create_segment(runtime::FileSystem& fs, const std::string& folder,
                                         const SegmentHeader& header, SegmentSource& source);

// The header of a segment's file, as decode_segment_header() says; an I/O error passes.
base::Result<SegmentHeader> read_segment_header(const runtime::File& file);

// Whether the file holds nothing but zeros, as one that was made and never written.
base::Result<bool> is_zeros(const runtime::File& file);

}  // namespace sluice::storage
