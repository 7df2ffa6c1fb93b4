#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "wire/frame.h"

namespace sluice::wire {

// The slot of a message with this group, key or dedup id; docs/protocol.md, "Shard map". Fixed for
// ever: it decides where messages stand.
std::uint16_t slot_of(base::ByteView bytes);
inline std::uint16_t slot_of(std::string_view text) { return slot_of(base::as_bytes(text)); }

// What decides about the message's slot: its group, else its key, else its dedup id. Empty = it
// goes to any shard.
std::string_view slot_key(const base::Message& message);

// Slot -> shard, from the runs of a shard map.
class SlotTable {
 public:
  // InvalidArgument when the runs do not cover 0..1023 exactly or name a shard above 63.
  static base::Result<SlotTable> from(const ShardMap& map);

  std::uint32_t version() const { return version_; }
  // The greatest shard of the map, plus 1.
  std::uint16_t shards() const { return shards_; }
  std::uint16_t shard_of(std::uint16_t slot) const { return shard_of_slot_[slot % kSlots]; }

 private:
  std::array<std::uint16_t, kSlots> shard_of_slot_{};
  std::uint32_t version_ = 0;
  std::uint16_t shards_ = 0;
};

// The map in which `shards` shards have slots in equal rows, the first ones one more where it does
// not divide. REQUIRES: 1 <= shards <= kShardsMax.
ShardMap even_shard_map(std::uint16_t shards, std::uint32_t version);

}  // namespace sluice::wire
