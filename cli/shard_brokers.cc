#include "cli/shard_brokers.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::cli {

base::Result<std::vector<ShardBroker>> brokers_of(client::Connection& connection,
                                                  std::string_view queue) {
  ASSIGN_OR_RETURN(client::QueueInfo info, client::Admin(connection).resolve(queue));
  std::vector<ShardBroker> brokers;
  if (info.endpoints.empty()) {
    ShardBroker& all = brokers.emplace_back();
    all.connection = &connection;
    for (std::uint16_t shard = 0; shard < info.shards; ++shard) all.shards.push_back(shard);
    all.queue = std::move(info);
    return brokers;
  }
  for (std::uint16_t shard = 0; shard < info.shards; ++shard) {
    client::Connection& peer = connection.peer(info.endpoints[shard]);
    auto at = std::find_if(brokers.begin(), brokers.end(),
                           [&](const ShardBroker& broker) { return broker.connection == &peer; });
    if (at == brokers.end()) {
      auto there = client::Admin(peer).resolve(queue);
      if (!there.has_value()) return there.error().with_prefix(info.endpoints[shard]);
      at = brokers.insert(at, ShardBroker{&peer, std::move(*there), {}});
    }
    at->shards.push_back(shard);
  }
  return brokers;
}

}  // namespace sluice::cli
