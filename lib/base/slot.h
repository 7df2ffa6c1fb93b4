#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

// Which shard a message belongs to; docs/protocol.md, "Shard map". Fixed for ever: it decides where
// messages stand.
namespace sluice::base {

inline constexpr std::uint16_t kSlots = 1024;

// The slot of a message with this group, key or dedup id.
std::uint16_t slot_of(ByteView bytes);

// What decides about a message's slot: its group, else its key, else its dedup id. Empty = it goes
// to any shard.
constexpr std::string_view slot_key(std::string_view group, std::string_view key,
                                    std::string_view dedup_id) {
  if (!group.empty()) return group;
  return key.empty() ? dedup_id : key;
}

// The shard of a slot where `shards` shards have slots in equal rows, the first ones one more where
// it does not divide. REQUIRES: shards >= 1, slot < kSlots.
std::uint16_t even_shard_of(std::uint16_t slot, std::uint16_t shards);

}  // namespace sluice::base
