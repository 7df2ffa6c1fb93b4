#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/record_codec.h"

namespace sluice::storage {

// The entries of a batch, of which some blocks may be bad. Implementations read lazily.
class EntryBlocks {
 public:
  virtual ~EntryBlocks() = default;
  virtual const BlockTable& table() const = 0;
  // The tail's bytes, always at the same place; those of blocks for which good() was not asked, or
  // was false, are undefined.
  virtual const std::byte* tail() const = 0;
  // Reads and verifies where that was not done yet.
  virtual bool good(std::size_t block) = 0;
};

// Messages [first, first + count) by their number in the batch; the bytes lie at
// [offset, offset + bytes) of the tail, both 0 when damaged.
struct SlicePlan {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::size_t offset = 0;
  std::size_t bytes = 0;
  bool damaged = false;
};

struct SliceWish {
  std::uint32_t first = 0;
  std::uint32_t last = 0;       // inclusive
  std::uint32_t bytes_max = 0;  // at least one message comes, whatever its size
};

// The longest slice that begins with the first wanted message and is wholly readable or wholly
// damaged. Looks at the blocks that it needs and walks through two of them at most. Corruption
// where good blocks do not hold a well-formed batch. Pure.
base::Result<SlicePlan> plan_slice(EntryBlocks& blocks, const SliceWish& wish);

// The same for several wishes, whose own `bytes_max` counts for nothing: appends plans that have
// `bytes_max` bytes together, but at least one. Ends before a plan that would be damaged or does
// not fit, unless it is the first, and behind one that is shorter than was wished. Looks at each
// message of the good blocks once, however many wishes there are. REQUIRES: ascending, disjoint.
base::Status plan_slices(EntryBlocks& blocks, std::span<const SliceWish> wishes,
                         std::uint32_t bytes_max, std::vector<SlicePlan>& out);

// The blocks that plan_slice() can come to look at: for reading them at once.
struct BlockRange {
  std::size_t first = 0;
  std::size_t last = 0;  // inclusive
};
BlockRange blocks_for(const BlockTable& table, const SliceWish& wish);

}  // namespace sluice::storage
