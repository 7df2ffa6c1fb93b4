#include "broker/hosting.h"

#include <string>

namespace sluice::broker {

Refusal find_stream(const Core& core, const Queue& queue, base::ShardIndex shard, Stream*& stream) {
  stream = queue.stream(shard);
  if (stream == nullptr) {
    return {RefusalCode::kUnknownShard,
            "queue " + queue.name() + " has " + std::to_string(queue.config().shards) +
                " shards, so there is no shard " + std::to_string(shard.value())};
  }
  const std::optional<base::ShardIndex>& hosted = core.options.hosted_shard;
  if (!hosted || *hosted == shard) return {};
  return {RefusalCode::kUnknownShard,
          "shard " + std::to_string(shard.value()) + " of queue " + queue.name() +
              " is on another broker; this one has shard " + std::to_string(hosted->value())};
}

base::Status check_shards(const BrokerOptions& options, std::uint16_t shards) {
  if (!options.hosted_shard || shards == options.shards) return {};
  return base::failed_precondition("shards: is " + std::to_string(shards) +
                                   ", and this broker is one of " + std::to_string(options.shards) +
                                   " that have a shard each: it must be " +
                                   std::to_string(options.shards));
}

}  // namespace sluice::broker
