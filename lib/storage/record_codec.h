#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/log_format.h"
#include "storage/record_type.h"

// Records <-> bytes: docs/log-format.md, "Record". Pure.
namespace sluice::storage {

constexpr std::size_t align_record(std::size_t bytes) {
  return (bytes + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}
constexpr std::size_t block_count(std::size_t tail_bytes) {
  return (tail_bytes + kBlockBytes - 1) / kBlockBytes;
}

struct RecordHeader {
  RecordType type = RecordType::kPadding;
  std::uint16_t head_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t segment_uuid = 0;  // first 4 bytes of the segment's
  std::uint32_t crc = 0;
  base::Lsn lsn;
  base::Lsn durable;

  bool padding() const { return type == RecordType::kPadding; }
  std::size_t tail_bytes() const { return payload_bytes - std::size_t{head_bytes}; }
  std::size_t blocks() const { return padding() ? 0 : block_count(tail_bytes()); }
  std::size_t table_bytes() const { return blocks() * kBlockEntryBytes; }
  // Offsets from the record's begin.
  std::size_t payload_offset() const { return kRecordHeaderBytes + table_bytes(); }
  std::size_t tail_offset() const { return payload_offset() + head_bytes; }
  // What the header's CRC covers lies in the first so many bytes.
  std::size_t covered_bytes() const { return payload_offset() + head_bytes; }
  std::size_t total_bytes() const { return align_record(payload_offset() + payload_bytes); }
  base::Lsn end() const { return lsn + total_bytes(); }
};

// Where a record will stand and what was known when it was made.
struct RecordStamp {
  std::uint32_t segment_uuid = 0;
  base::Lsn lsn;
  base::Lsn durable;
};

// Size of the record for this payload, aligned. Heads above kRecordHeadBytesMax count as tail from
// there on.
std::size_t record_bytes(std::size_t head_bytes, std::size_t tail_bytes);

// Writes the whole record to `out`, which has record_bytes() bytes: one copy, one CRC pass. For
// kMessages the tail is walked as message entries; where it is no well-formed batch, the entries
// behind the fault cannot be found again. REQUIRES: head + tail <= kRecordBytesMax, not padding.
void encode_record(RecordType type, base::ByteView head, base::ByteView tail,
                   const RecordStamp& stamp, std::byte* out);

// Writes the header of the padding record that ends after `total_bytes`, itself included.
// REQUIRES: total_bytes >= kRecordHeaderBytes, aligned.
void encode_padding(std::size_t total_bytes, const RecordStamp& stamp, std::byte* out);

// The header, if `bytes` begin with one that can stand at `lsn`: magic, own LSN, UUID (where one is
// given) and lengths fit. The CRC is not checked yet.
std::optional<RecordHeader> parse_record_header(base::ByteView bytes, base::Lsn lsn,
                                                std::optional<std::uint32_t> segment_uuid);

// True when the CRC fits. REQUIRES: `record` begins with header, table and head
// (covered_bytes()).
bool verify_record_header(const RecordHeader& header, base::ByteView record);

// The block table of a record whose header was verified.
class BlockTable {
 public:
  static constexpr std::uint16_t kNoEntry = 0xFFFF;

  BlockTable() = default;
  // REQUIRES: `table` lives as long as this and has an entry for each block of the tail.
  BlockTable(base::ByteView table, std::size_t tail_bytes)
      : table_(table), tail_bytes_(tail_bytes) {}

  std::size_t blocks() const { return table_.size() / kBlockEntryBytes; }
  std::size_t tail_bytes() const { return tail_bytes_; }
  std::uint32_t crc(std::size_t block) const { return base::load<std::uint32_t>(at(block)); }
  // Does a message entry begin in the block, where in it, and which one?
  bool has_entry(std::size_t block) const { return entry_offset(block) != kNoEntry; }
  std::uint16_t entry_offset(std::size_t block) const {
    return base::load<std::uint16_t>(at(block) + 4);
  }
  std::uint16_t entry_index(std::size_t block) const {
    return base::load<std::uint16_t>(at(block) + 6);
  }
  std::size_t block_begin(std::size_t block) const { return block * kBlockBytes; }
  std::size_t block_bytes(std::size_t block) const {
    const std::size_t left = tail_bytes_ - block_begin(block);
    return left < kBlockBytes ? left : kBlockBytes;
  }
  // `bytes` = exactly this block's.
  bool verify(std::size_t block, base::ByteView bytes) const;

 private:
  const std::byte* at(std::size_t block) const { return table_.data() + block * kBlockEntryBytes; }

  base::ByteView table_;
  std::size_t tail_bytes_ = 0;
};

// The table inside a whole record.
inline BlockTable block_table(const RecordHeader& header, base::ByteView record) {
  return {record.subspan(kRecordHeaderBytes, header.table_bytes()), header.tail_bytes()};
}

}  // namespace sluice::storage
