#include "client/route_batch.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/message.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

// The same choice as wire::slot_key() of the whole message.
std::string_view slot_key_of(base::ByteView attributes) {
  if (attributes.empty()) return {};
  const base::Result<base::MessageAttributes> decoded = base::decode_attributes(attributes);
  if (!decoded.has_value()) return {};
  if (!decoded->group.empty()) return decoded->group;
  return decoded->key.empty() ? decoded->dedup_id : decoded->key;
}

}  // namespace

std::vector<RoutedBatch> route_batch(PendingBatch batch, const wire::SlotTable& slots,
                                     base::ShardIndex before) {
  struct Entry {
    base::ByteView bytes;
    std::uint16_t shard = 0;
  };
  const auto anywhere = static_cast<std::uint16_t>(before.value() % slots.shards());
  std::vector<Entry> entries;
  base::ByteView rest = batch.frame->view().subspan(wire::kPublishPrefixBytes);
  while (!rest.empty()) {
    const base::ByteView begin = rest;
    const base::MessageView message = base::take_entry(rest);
    const std::string_view key = slot_key_of(message.attributes);
    entries.push_back({begin.first(begin.size() - rest.size()),
                       key.empty() ? anywhere : slots.shard_of(wire::slot_of(key))});
  }
  std::vector<std::uint16_t> shards;
  shards.reserve(entries.size());
  for (const Entry& entry : entries) shards.push_back(entry.shard);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  std::vector<RoutedBatch> parts;
  if (shards.size() == 1) {
    parts.push_back({base::ShardIndex(shards.front()), std::move(batch)});
    return parts;
  }
  for (const std::uint16_t shard : shards) {
    PendingBatch part;
    part.tag = batch.tag;
    part.sends = batch.sends;
    std::vector<std::byte> bytes;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      if (entries[i].shard != shard) continue;
      bytes.insert(bytes.end(), entries[i].bytes.begin(), entries[i].bytes.end());
      part.places.push_back(batch.place_of(i));
    }
    part.count = static_cast<std::uint32_t>(part.places.size());
    part.frame = frame_of(bytes);
    parts.push_back({base::ShardIndex(shard), std::move(part)});
  }
  return parts;
}

}  // namespace sluice::client
