#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log_format.h"

// Extents: files of messages that compaction moved out of segments (docs/log-format.md, "Extent").
// They have numbers as segments have, far above those, and so LSNs of their own. Pure but for
// read_extent_header().
namespace sluice::storage {

struct ExtentHeader {
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  base::Id128 uuid;
  base::Id128 log_id;
  std::uint64_t bytes = 0;  // of the file

  // What the extent's records carry.
  std::uint32_t uuid_prefix() const {
    return base::load<std::uint32_t>(std::as_bytes(std::span(uuid.bytes)).data());
  }
};

// The whole first block: both copies. REQUIRES: out.size() == kSegmentDataOffset. Returns the
// header's CRC.
std::uint32_t encode_extent_header(const ExtentHeader& header, base::MutableByteView out);
// Either copy; Corruption where neither is valid.
base::Result<ExtentHeader> decode_extent_header(base::ByteView block);
base::Result<ExtentHeader> read_extent_header(const runtime::File& file);

// "0000000080000001.ext" and back.
std::string extent_name(std::uint64_t number);
std::optional<std::uint64_t> parse_extent_name(std::string_view name);
// The name of a segment or an extent, by its number.
std::string data_file_name(std::uint64_t number);

}  // namespace sluice::storage
