#pragma once

#include "base/ids.h"
#include "broker/core.h"
#include "broker/refusal.h"

namespace sluice::broker {

// The queue's stream of that shard; refused (kUnknownShard) where it has none, or where the shard
// is another broker's.
Refusal find_stream(const Core& core, const Queue& queue, base::ShardIndex shard, Stream*& stream);

// Of a broker that has one shard of each queue: why a queue with so many shards cannot be here.
base::Status check_shards(const BrokerOptions& options, std::uint16_t shards);

}  // namespace sluice::broker
