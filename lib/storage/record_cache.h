#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/record_codec.h"
#include "storage/segment_log.h"
#include "storage/slice_plan.h"

namespace sluice::storage {

// A record of a file, of which only the blocks that were asked for are read; each is verified
// once. A block that cannot be read counts as bad.
class LoadedRecord final : public EntryBlocks {
 public:
  // The header, the block table and the head. Corruption where they do not verify.
  base::Status open(const SegmentSet::Place& place, base::Lsn begin);

  base::Lsn begin() const { return header_.lsn; }
  const RecordHeader& header() const { return header_; }
  base::ByteView head() const {
    return {bytes_.get() + header_.payload_offset(), header_.head_bytes};
  }

  const BlockTable& table() const override { return table_; }
  const std::byte* tail() const override { return bytes_.get() + header_.tail_offset(); }
  bool good(std::size_t block) override;
  // True when the blocks under [begin, end) of the tail are good. `good` is the last one of which
  // that is known, and is moved on.
  bool good_between(std::size_t begin, std::size_t end, std::size_t& good) {
    if (end > header_.tail_bytes()) return false;
    for (std::size_t block = begin / kBlockBytes; block <= (end - 1) / kBlockBytes; ++block) {
      if (block == good) continue;
      if (!this->good(block)) return false;
      good = block;
    }
    return true;
  }
  // Reads with one call what is missing between the two, both included.
  void load(BlockRange range);

 private:
  enum class State : std::uint8_t { kUnknown, kGood, kBad };

  bool read_blocks(std::size_t first, std::size_t last);

  std::shared_ptr<runtime::File> file_;
  std::uint64_t offset_ = 0;
  RecordHeader header_;
  BlockTable table_;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_ = 0;
  std::vector<State> states_;
};

// The few records that were read last. Loop thread.
class RecordCache {
 public:
  explicit RecordCache(SegmentLog& log) : log_(log) {}

  // Valid until the next call. NotFound where the segment is gone, Corruption where the header
  // does not verify.
  base::Result<LoadedRecord*> get(base::Lsn begin);
  // Gives the memory back.
  void clear();

 private:
  // As many as deliveries are decided upon before their frames are made.
  static constexpr std::size_t kSlots = 24;

  struct Slot {
    std::unique_ptr<LoadedRecord> record;
    std::uint64_t used_at = 0;
  };

  SegmentLog& log_;
  std::uint64_t uses_ = 0;
  std::array<Slot, kSlots> slots_;
};

}  // namespace sluice::storage
