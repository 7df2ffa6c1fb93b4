#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/record_codec.h"

namespace sluice::storage {

// What a scanner needs to know of a segment.
struct SegmentExtent {
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  // Unknown where the header is damaged: then the first record that verifies decides.
  std::optional<std::uint32_t> uuid_prefix;
  std::uint64_t extent_bytes = 0;  // of an extent's file

  base::Lsn base() const { return base::Lsn(number * segment_bytes); }
  base::Lsn data_begin() const { return base() + kSegmentDataOffset; }
  base::Lsn end() const { return base() + segment_bytes; }
};

// One step of a scan. Steps follow each other without gaps.
struct ScanItem {
  enum class Kind {
    kRecord,   // the header verifies; `bad_blocks` tells about the rest
    kPadding,  // up to the segment's end
    kBad,      // nothing here verifies as a record
  };
  Kind kind = Kind::kBad;
  base::Lsn begin;
  base::Lsn end;
  RecordHeader header;
  base::ByteView payload;                 // kRecord; valid until the next call
  BlockTable table;                       // the same; empty where blocks are skipped
  std::vector<std::uint16_t> bad_blocks;  // kRecord; of the tail, rising
  bool unreadable = false;                // the file could not be read somewhere in [begin, end)

  bool good() const { return kind != Kind::kBad && bad_blocks.empty(); }
};

// Walks a segment's file from one position to its end and finds its way again behind damage
// (docs/log-format.md, "Recovery" 3). Reads only; never fails: what cannot be read is bad.
// `file` must outlive the scanner. One thread.
class SegmentScanner {
 public:
  // REQUIRES: `from` is in the segment, at or behind data_begin(), and a multiple of 8.
  SegmentScanner(const runtime::File& file, SegmentExtent extent, base::Lsn from);

  // Headers and tables only: a third faster, bad_blocks stays empty.
  void skip_blocks() { check_blocks_ = false; }

  // nullopt at the segment's end. The last item may be a kBad one that holds nothing but zeros or
  // an earlier life's records.
  std::optional<ScanItem> next();

  const std::optional<std::uint32_t>& uuid_prefix() const { return extent_.uuid_prefix; }

 private:
  // Up to `count` bytes from `offset` on, fewer at the end of the file. Unreadable ones are 0.
  base::ByteView peek(std::uint64_t offset, std::size_t count);
  void fill(std::uint64_t offset);
  bool unreadable(std::uint64_t begin, std::uint64_t end) const;
  std::optional<RecordHeader> header_at(std::uint64_t offset);
  ScanItem take_record(const RecordHeader& header);
  ScanItem take_bad();
  // The next multiple of 8 at or behind `offset` where the magic byte stands.
  std::uint64_t next_candidate(std::uint64_t offset);

  const runtime::File& file_;
  SegmentExtent extent_;
  std::uint64_t position_;  // offset in the file
  bool check_blocks_ = true;
  std::vector<std::byte> window_;
  std::uint64_t window_begin_ = 0;
  std::size_t window_bytes_ = 0;
  std::vector<std::uint64_t> unreadable_;  // offsets of blocks
};

}  // namespace sluice::storage
