#include "storage/record_codec.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/message.h"

namespace sluice::storage {

using base::ByteView;

namespace {

constexpr std::size_t kRecordCrcOffset = 12;

struct Split {
  ByteView covered;   // by the header's CRC
  ByteView overflow;  // of the head, in front of the tail
};

Split split_head(ByteView head) {
  const std::size_t covered = std::min(head.size(), kRecordHeadBytesMax);
  return {head.first(covered), head.subspan(covered)};
}

std::uint32_t header_crc(const RecordHeader& header, const std::byte* record) {
  const ByteView bytes(record, header.covered_bytes());
  const std::uint32_t crc = base::crc32c(bytes.first(kRecordCrcOffset));
  return base::crc32c(bytes.subspan(kRecordCrcOffset + 4), crc);
}

void store_header(const RecordHeader& header, std::byte* out) {
  base::store(out, kRecordMagic);
  base::store(out + 1, static_cast<std::uint8_t>(header.type));
  base::store(out + 2, header.head_bytes);
  base::store(out + 4, header.payload_bytes);
  base::store(out + 8, header.segment_uuid);
  base::store(out + 16, header.lsn.value());
  base::store(out + 24, header.durable.value());
  base::store(out + kRecordCrcOffset, header_crc(header, out));
}

RecordHeader make_header(RecordType type, const RecordStamp& stamp) {
  RecordHeader header;
  header.type = type;
  header.segment_uuid = stamp.segment_uuid;
  header.lsn = stamp.lsn;
  header.durable = stamp.durable;
  return header;
}

// Finds the first entry that begins in each block, while the block's bytes are in the cache.
class EntryWalk {
 public:
  EntryWalk(ByteView entries, bool messages) : entries_(entries), lost_(!messages) {}

  void store_first(std::size_t block, std::byte* table_entry) {
    std::uint16_t offset = BlockTable::kNoEntry;
    std::uint16_t index = 0;
    const std::size_t begin = block * kBlockBytes;
    const std::size_t end = std::min(begin + kBlockBytes, entries_.size());
    if (!lost_ && position_ < end) {
      offset = static_cast<std::uint16_t>(position_ - begin);
      index = index_;
    }
    base::store(table_entry + 4, offset);
    base::store(table_entry + 6, index);
    while (!lost_ && position_ < end) step();
  }

 private:
  void step() {
    const std::size_t left = entries_.size() - position_;
    if (left < base::kEntryHeaderBytes || index_ == BlockTable::kNoEntry) {
      lost_ = true;
      return;
    }
    const std::size_t bytes = base::load<std::uint32_t>(entries_.data() + position_);
    lost_ = bytes < base::kEntryHeaderBytes || bytes > left;
    position_ += bytes;
    ++index_;
  }

  ByteView entries_;
  std::size_t position_ = 0;
  std::uint16_t index_ = 0;
  bool lost_;  // there are no entries, or they are not what they should be
};

void fill_blocks(RecordType type, ByteView overflow, ByteView tail, std::byte* table,
                 std::byte* out) {
  const std::size_t tail_bytes = overflow.size() + tail.size();
  // Only a record with an oversized head needs its two parts joined before blocks can be cut.
  const bool joined = !overflow.empty();
  if (joined) {
    std::memcpy(out, overflow.data(), overflow.size());
    if (!tail.empty()) std::memcpy(out + overflow.size(), tail.data(), tail.size());
  }
  EntryWalk walk(tail, type == RecordType::kMessages && !joined);
  for (std::size_t block = 0; block < block_count(tail_bytes); ++block) {
    const std::size_t begin = block * kBlockBytes;
    const std::size_t bytes = std::min(kBlockBytes, tail_bytes - begin);
    if (!joined) std::memcpy(out + begin, tail.data() + begin, bytes);
    std::byte* const entry = table + block * kBlockEntryBytes;
    base::store(entry, base::crc32c({out + begin, bytes}));
    walk.store_first(block, entry);
  }
}

}  // namespace

std::size_t record_bytes(std::size_t head_bytes, std::size_t tail_bytes) {
  const std::size_t overflow =
      head_bytes > kRecordHeadBytesMax ? head_bytes - kRecordHeadBytesMax : 0;
  return align_record(kRecordHeaderBytes + block_count(overflow + tail_bytes) * kBlockEntryBytes +
                      head_bytes + tail_bytes);
}

void encode_record(RecordType type, ByteView head, ByteView tail, const RecordStamp& stamp,
                   std::byte* out) {
  CHECK(type != RecordType::kPadding);
  CHECK(head.size() + tail.size() <= kRecordBytesMax);
  const Split split = split_head(head);
  RecordHeader header = make_header(type, stamp);
  header.head_bytes = static_cast<std::uint16_t>(split.covered.size());
  header.payload_bytes = static_cast<std::uint32_t>(head.size() + tail.size());
  if (!split.covered.empty()) {
    std::memcpy(out + header.payload_offset(), split.covered.data(), split.covered.size());
  }
  fill_blocks(type, split.overflow, tail, out + kRecordHeaderBytes, out + header.tail_offset());
  const std::size_t used = header.payload_offset() + header.payload_bytes;
  std::memset(out + used, 0, header.total_bytes() - used);
  store_header(header, out);
}

void encode_padding(std::size_t total_bytes, const RecordStamp& stamp, std::byte* out) {
  CHECK(total_bytes >= kRecordHeaderBytes && total_bytes == align_record(total_bytes));
  RecordHeader header = make_header(RecordType::kPadding, stamp);
  header.payload_bytes = static_cast<std::uint32_t>(total_bytes - kRecordHeaderBytes);
  store_header(header, out);
}

std::optional<RecordHeader> parse_record_header(ByteView bytes, base::Lsn lsn,
                                                std::optional<std::uint32_t> segment_uuid) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const std::byte* const at = bytes.data();
  if (base::load<std::uint8_t>(at) != kRecordMagic) return std::nullopt;
  if (base::load<std::uint64_t>(at + 16) != lsn.value()) return std::nullopt;
  RecordHeader header;
  header.segment_uuid = base::load<std::uint32_t>(at + 8);
  if (segment_uuid && header.segment_uuid != *segment_uuid) return std::nullopt;
  header.type = static_cast<RecordType>(base::load<std::uint8_t>(at + 1));
  header.head_bytes = base::load<std::uint16_t>(at + 2);
  header.payload_bytes = base::load<std::uint32_t>(at + 4);
  header.crc = base::load<std::uint32_t>(at + kRecordCrcOffset);
  header.lsn = lsn;
  header.durable = base::Lsn(base::load<std::uint64_t>(at + 24));
  const bool lengths = header.padding() ? header.head_bytes == 0
                                        : header.head_bytes <= header.payload_bytes &&
                                              header.payload_bytes <= kRecordBytesMax;
  if (!lengths || header.durable > lsn) return std::nullopt;
  return header;
}

bool verify_record_header(const RecordHeader& header, ByteView record) {
  CHECK(record.size() >= header.covered_bytes());
  return header_crc(header, record.data()) == header.crc;
}

bool BlockTable::verify(std::size_t block, ByteView bytes) const {
  return base::crc32c(bytes) == crc(block);
}

}  // namespace sluice::storage
