#include "storage/segment_scanner.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::storage {

using base::ByteView;

namespace {

constexpr std::size_t kWindowBytes = 1U << 20;
static_assert(kWindowBytes > kRecordTotalBytesMax);

}  // namespace

SegmentScanner::SegmentScanner(const runtime::File& file, SegmentExtent extent, base::Lsn from)
    : file_(file), extent_(extent), position_(from - extent.base()) {
  CHECK(position_ >= kSegmentDataOffset && position_ <= extent_.segment_bytes);
  CHECK(position_ % kRecordAlignment == 0);
}

std::optional<ScanItem> SegmentScanner::next() {
  // Less than a header is left over without padding.
  if (position_ + kRecordHeaderBytes > extent_.segment_bytes) return std::nullopt;
  const std::optional<RecordHeader> header = header_at(position_);
  ScanItem item = header ? take_record(*header) : take_bad();
  position_ = item.end - extent_.base();
  item.unreadable = unreadable(item.begin - extent_.base(), position_);
  return item;
}

ScanItem SegmentScanner::take_record(const RecordHeader& header) {
  ScanItem item;
  item.begin = header.lsn;
  item.end = header.end();
  item.header = header;
  if (header.padding()) {
    item.kind = ScanItem::Kind::kPadding;
    return item;
  }
  item.kind = ScanItem::Kind::kRecord;
  const ByteView record = peek(position_, header.total_bytes());
  // The file may end inside the record: then the payload is short and its last blocks are bad.
  item.payload = record.subspan(header.payload_offset());
  item.payload =
      item.payload.first(std::min<std::size_t>(item.payload.size(), header.payload_bytes));
  if (!check_blocks_) return item;
  item.table = block_table(header, record);
  for (std::size_t block = 0; block < item.table.blocks(); ++block) {
    const std::size_t begin = header.tail_offset() + item.table.block_begin(block);
    const std::size_t bytes = item.table.block_bytes(block);
    const bool whole = begin + bytes <= record.size();
    if (!whole || !item.table.verify(block, record.subspan(begin, bytes))) {
      item.bad_blocks.push_back(static_cast<std::uint16_t>(block));
    }
  }
  return item;
}

ScanItem SegmentScanner::take_bad() {
  ScanItem item;
  item.kind = ScanItem::Kind::kBad;
  item.begin = extent_.base() + position_;
  std::uint64_t offset = next_candidate(position_ + kRecordAlignment);
  while (offset < extent_.segment_bytes && !header_at(offset)) {
    offset = next_candidate(offset + kRecordAlignment);
  }
  item.end = extent_.base() + std::min(offset, extent_.segment_bytes);
  return item;
}

std::uint64_t SegmentScanner::next_candidate(std::uint64_t offset) {
  while (offset < extent_.segment_bytes) {
    const ByteView bytes = peek(offset, kBlockBytes);
    if (bytes.empty()) return extent_.segment_bytes;
    for (std::size_t at = 0; at < bytes.size(); at += kRecordAlignment) {
      if (bytes[at] == std::byte{kRecordMagic}) return offset + at;
    }
    offset += align_record(bytes.size());
  }
  return extent_.segment_bytes;
}

std::optional<RecordHeader> SegmentScanner::header_at(std::uint64_t offset) {
  const base::Lsn lsn = extent_.base() + offset;
  const std::optional<RecordHeader> header =
      parse_record_header(peek(offset, kRecordHeaderBytes), lsn, extent_.uuid_prefix);
  if (!header || header->end() > extent_.end()) return std::nullopt;
  if (header->padding() && header->end() != extent_.end()) return std::nullopt;
  const ByteView covered = peek(offset, header->covered_bytes());
  if (covered.size() < header->covered_bytes()) return std::nullopt;
  if (!verify_record_header(*header, covered)) return std::nullopt;
  if (!extent_.uuid_prefix) extent_.uuid_prefix = header->segment_uuid;
  return header;
}

ByteView SegmentScanner::peek(std::uint64_t offset, std::size_t count) {
  const std::uint64_t window_end = window_begin_ + window_bytes_;
  if (offset < window_begin_ || offset + count > window_end) {
    // At the end of the file a second look would find no more.
    const bool at_file_end = window_bytes_ > 0 && window_bytes_ < window_.size();
    if (!(at_file_end && offset >= window_begin_)) fill(offset);
  }
  if (offset < window_begin_ || offset >= window_begin_ + window_bytes_) return {};
  const std::size_t skip = offset - window_begin_;
  return ByteView(window_).subspan(skip, std::min(count, window_bytes_ - skip));
}

void SegmentScanner::fill(std::uint64_t offset) {
  window_.resize(kWindowBytes);
  window_begin_ = offset;
  const base::Result<std::size_t> all = file_.read_at(offset, window_);
  if (all) {
    window_bytes_ = *all;
    return;
  }
  // Some of it cannot be read: find out which blocks, so that the rest is not lost with them.
  window_bytes_ = 0;
  while (window_bytes_ < window_.size() && offset + window_bytes_ < extent_.segment_bytes) {
    const std::uint64_t at = offset + window_bytes_;
    const std::size_t to_boundary = kBlockBytes - at % kBlockBytes;
    const std::size_t want = std::min(to_boundary, window_.size() - window_bytes_);
    const base::MutableByteView part(window_.data() + window_bytes_, want);
    const base::Result<std::size_t> got = file_.read_at(at, part);
    if (got && *got == 0) return;
    if (!got) {
      std::fill(part.begin(), part.end(), std::byte{0});
      unreadable_.push_back(at / kBlockBytes * kBlockBytes);
    }
    window_bytes_ += got ? *got : want;
    if (got && *got < want) return;
  }
}

bool SegmentScanner::unreadable(std::uint64_t begin, std::uint64_t end) const {
  return std::any_of(unreadable_.begin(), unreadable_.end(), [&](std::uint64_t block) {
    return block < end && block + kBlockBytes > begin;
  });
}

}  // namespace sluice::storage
