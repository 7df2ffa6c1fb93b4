#include "cli/shard_brokers.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "client/refusal.h"

namespace sluice::cli {

base::Result<ShardBrokers> reachable_brokers_of(client::Connection& connection,
                                                std::string_view queue,
                                                std::optional<base::ShardIndex> only) {
  ASSIGN_OR_RETURN(client::QueueInfo info, client::Admin(connection).resolve(queue));
  if (only && only->value() >= info.shards) {
    return base::invalid_argument("queue " + std::string(queue) + " has " +
                                  std::to_string(info.shards) + " shards, so there is no shard " +
                                  std::to_string(only->value()));
  }
  ShardBrokers brokers;
  if (info.endpoints.empty()) {
    ShardBroker& all = brokers.there.emplace_back();
    all.connection = &connection;
    for (std::uint16_t shard = 0; shard < info.shards; ++shard) all.shards.push_back(shard);
    all.queue = std::move(info);
    return brokers;
  }
  std::map<client::Connection*, base::Error> away;
  for (std::uint16_t shard = 0; shard < info.shards; ++shard) {
    if (only && only->value() != shard) continue;
    client::Connection& peer = connection.peer(info.endpoints[shard]);
    auto at = std::find_if(brokers.there.begin(), brokers.there.end(),
                           [&](const ShardBroker& broker) { return broker.connection == &peer; });
    if (const auto known = away.find(&peer); known != away.end()) {
      brokers.missing.push_back({shard, known->second});
      continue;
    }
    if (at == brokers.there.end()) {
      auto there = client::Admin(peer).resolve(queue);
      if (!there.has_value()) {
        base::Error error = there.error().with_prefix(info.endpoints[shard]);
        if (!client::is_unanswered(error)) return error;
        away.emplace(&peer, error);
        brokers.missing.push_back({shard, std::move(error)});
        continue;
      }
      at = brokers.there.insert(at, ShardBroker{&peer, std::move(*there), {}});
    }
    at->shards.push_back(shard);
  }
  if (only) RETURN_IF_ERROR(check_complete(brokers.missing));
  if (brokers.there.empty()) return brokers.missing.front().error;
  return brokers;
}

base::Result<std::vector<ShardBroker>> brokers_of(client::Connection& connection,
                                                  std::string_view queue) {
  ASSIGN_OR_RETURN(ShardBrokers brokers, reachable_brokers_of(connection, queue));
  RETURN_IF_ERROR(check_complete(brokers.missing));
  return std::move(brokers.there);
}

base::Status check_complete(const std::vector<MissingShard>& missing) {
  if (missing.empty()) return {};
  std::string text = missing.size() == 1 ? "shard " : "shards ";
  for (std::size_t i = 0; i < missing.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(missing[i].shard);
  }
  return base::unavailable(text + (missing.size() == 1 ? " does" : " do") +
                           " not answer: " + missing.front().error.message());
}

}  // namespace sluice::cli
