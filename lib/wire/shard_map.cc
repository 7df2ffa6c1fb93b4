#include "wire/shard_map.h"

#include <algorithm>

#include "base/check.h"
#include "base/slot.h"

namespace sluice::wire {

std::uint16_t slot_of(base::ByteView bytes) { return base::slot_of(bytes); }

std::string_view slot_key(const base::Message& message) {
  return base::slot_key(message.group, message.key, message.dedup_id);
}

base::Result<SlotTable> SlotTable::from(const ShardMap& map) {
  SlotTable table;
  table.version_ = map.version;
  std::size_t slot = 0;
  for (const SlotRun& run : map.runs) {
    if (run.shard >= kShardsMax) return base::invalid_argument("shard map: shard is above 63");
    if (run.slots > kSlots - slot) return base::invalid_argument("shard map: too many slots");
    std::fill_n(table.shard_of_slot_.begin() + static_cast<std::ptrdiff_t>(slot), run.slots,
                run.shard);
    slot += run.slots;
    table.shards_ =
        std::max<std::uint16_t>(table.shards_, static_cast<std::uint16_t>(run.shard + 1));
  }
  if (slot != kSlots) return base::invalid_argument("shard map: slots are missing");
  return table;
}

ShardMap even_shard_map(std::uint16_t shards, std::uint32_t version) {
  CHECK(shards >= 1 && shards <= kShardsMax);
  ShardMap map;
  map.version = version;
  for (std::uint16_t shard = 0; shard < shards; ++shard) {
    const int extra = shard < kSlots % shards ? 1 : 0;
    map.runs.push_back({static_cast<std::uint16_t>(kSlots / shards + extra), shard});
  }
  return map;
}

}  // namespace sluice::wire
