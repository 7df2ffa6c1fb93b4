#include "base/slot.h"

#include "base/check.h"
#include "base/fnv1a.h"

namespace sluice::base {
namespace {

constexpr unsigned kSlotBits = 10;

}  // namespace

std::uint16_t slot_of(ByteView bytes) {
  std::uint64_t hash = fnv1a(as_text(bytes));
  std::uint64_t slot = 0;
  for (; hash != 0; hash >>= kSlotBits) slot ^= hash;
  return static_cast<std::uint16_t>(slot & (kSlots - 1));
}

std::uint16_t even_shard_of(std::uint16_t slot, std::uint16_t shards) {
  CHECK(shards >= 1 && slot < kSlots);
  const int row = kSlots / shards;
  const int longer = kSlots % shards;  // shards that have one slot more
  const int in_longer = longer * (row + 1);
  const int shard = slot < in_longer ? slot / (row + 1) : longer + (slot - in_longer) / row;
  return static_cast<std::uint16_t>(shard);
}

}  // namespace sluice::base
