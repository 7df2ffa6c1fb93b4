#include "storage/record_cache.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Status;

namespace {

// Header, table and head of any kMessages or kMessageChunk record.
constexpr std::size_t kFrontBytes =
    kRecordHeaderBytes + kBlocksMax * kBlockEntryBytes + kLargeHeadBytes;

}  // namespace

Status LoadedRecord::open(const SegmentSet::Place& place, Lsn begin) {
  file_ = place.file;
  offset_ = place.offset;
  std::array<std::byte, kFrontBytes> front;
  ASSIGN_OR_RETURN(const std::size_t got, file_->read_at(offset_, front));
  const std::optional<RecordHeader> header =
      parse_record_header(ByteView(front).first(got), begin, place.extent.uuid_prefix);
  const std::string where =
      SegmentSet::describe(place.extent.number) + ": LSN " + std::to_string(begin.value());
  if (!header || header->padding() || header->covered_bytes() > got) {
    return base::corruption(where + ": no valid header of a messages record");
  }
  if (!verify_record_header(*header, front)) {
    return base::corruption(where + ": wrong checksum of a record header");
  }
  header_ = *header;
  if (capacity_ < header_.total_bytes()) {
    capacity_ = header_.total_bytes();
    bytes_.reset(new std::byte[capacity_]);  // not zeroed: reads fill what is used
  }
  std::memcpy(bytes_.get(), front.data(), header_.covered_bytes());
  table_ = block_table(header_, {bytes_.get(), header_.covered_bytes()});
  states_.assign(header_.blocks(), State::kUnknown);
  return {};
}

bool LoadedRecord::good(std::size_t block) {
  if (states_[block] == State::kUnknown) load({block, block});
  return states_[block] == State::kGood;
}

void LoadedRecord::load(BlockRange range) {
  if (states_.empty()) return;
  std::size_t first = range.first;
  std::size_t last = std::min(range.last, states_.size() - 1);
  while (first <= last && states_[first] != State::kUnknown) ++first;
  while (last > first && states_[last] != State::kUnknown) --last;
  if (first > last || read_blocks(first, last)) return;
  // Something in there cannot be read: only that is to be lost.
  for (std::size_t block = first; block <= last; ++block) {
    if (!read_blocks(block, block)) states_[block] = State::kBad;
  }
}

bool LoadedRecord::read_blocks(std::size_t first, std::size_t last) {
  const std::size_t begin = header_.tail_offset() + table_.block_begin(first);
  const std::size_t end =
      header_.tail_offset() + table_.block_begin(last) + table_.block_bytes(last);
  const base::MutableByteView into(bytes_.get() + begin, end - begin);
  const Result<std::size_t> got = file_->read_at(offset_ + begin, into);
  if (!got || *got != into.size()) return false;
  for (std::size_t block = first; block <= last; ++block) {
    const ByteView bytes(tail() + table_.block_begin(block), table_.block_bytes(block));
    states_[block] = table_.verify(block, bytes) ? State::kGood : State::kBad;
  }
  return true;
}

Result<LoadedRecord*> RecordCache::get(Lsn begin) {
  Slot* oldest = slots_.data();
  for (Slot& slot : slots_) {
    if (slot.record && slot.record->begin() == begin) {
      slot.used_at = ++uses_;
      return slot.record.get();
    }
    if (slot.used_at < oldest->used_at) oldest = &slot;
  }
  ASSIGN_OR_RETURN(const SegmentSet::Place place, log_.segments().place(begin));
  // Taken out first, so that a record that fails to open leaves nothing half-filled behind.
  std::unique_ptr<LoadedRecord> record = std::move(oldest->record);
  oldest->used_at = 0;
  if (!record) record = std::make_unique<LoadedRecord>();
  RETURN_IF_ERROR(record->open(place, begin));
  oldest->record = std::move(record);
  oldest->used_at = ++uses_;
  return oldest->record.get();
}

void RecordCache::clear() {
  for (Slot& slot : slots_) slot = {};
}

}  // namespace sluice::storage
