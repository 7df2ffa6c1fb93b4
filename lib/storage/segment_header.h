#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/log_format.h"

// Segment headers, and the names of the files in the log's folder. Pure.
namespace sluice::storage {

struct SegmentHeader {
  std::uint32_t feature_level = kFeatureLevelFirst;
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  base::Id128 uuid;
  base::Id128 log_id;

  base::Lsn base() const { return base::Lsn(number * segment_bytes); }
  base::Lsn data_begin() const { return base() + kSegmentDataOffset; }
  base::Lsn end() const { return base() + segment_bytes; }
  // What the segment's records carry.
  std::uint32_t uuid_prefix() const {
    return base::load<std::uint32_t>(std::as_bytes(std::span(uuid.bytes)).data());
  }
};

// The whole first block: both copies. REQUIRES: out.size() == kSegmentDataOffset.
void encode_segment_header(const SegmentHeader& header, base::MutableByteView out);

// Either copy from a segment's first block (which may be short). Corruption where neither is
// valid; FailedPrecondition where the format version or feature level is too new.
base::Result<SegmentHeader> decode_segment_header(base::ByteView block);

// "0000000000000001.log" and back.
std::string segment_name(std::uint64_t number);
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
// "free-0000000000000001.seg" and back.
std::string pool_name(std::uint64_t number);
std::optional<std::uint64_t> parse_pool_name(std::string_view name);
// "0000000000000001.snap" and back; the number is the LSN.
std::string snapshot_name(base::Lsn lsn);
std::optional<base::Lsn> parse_snapshot_name(std::string_view name);

inline constexpr std::string_view kTemporarySuffix = ".tmp";
inline constexpr std::string_view kOrphanSuffix = ".orphan";
inline constexpr std::string_view kBadSuffix = ".bad";
std::string lock_path(const std::string& folder);
std::string segments_folder(const std::string& folder);
std::string snapshots_folder(const std::string& folder);

}  // namespace sluice::storage
