#include "client/shard_route.h"

#include <algorithm>
#include <utility>

#include "client/retry_pause.h"

namespace sluice::client {

ShardRoute::ShardRoute(Connection& connection, const base::QueueId& queue)
    : connection_(connection), queue_(queue), known_(true) {}

ShardRoute::ShardRoute(Connection& peer, std::string name, ShardRouteOwner& owner)
    : connection_(peer), owner_(&owner), name_(std::move(name)) {
  connection_.add_user(this);
}

ShardRoute::~ShardRoute() {
  if (owner_ != nullptr) connection_.remove_user(this);
}

void ShardRoute::ask() {
  request_ = connection_.next_request();
  if (!connection_.send(wire::Resolve{name_}, request_)) request_ = 0;
}

void ShardRoute::on_session(bool resumed) {
  retry_at_.reset();
  if (known_) return owner_->on_route(*this, resumed);
  ask();
}

void ShardRoute::on_session_lost() {
  request_ = 0;
  owner_->on_route_lost(*this);
}

bool ShardRoute::on_frame(wire::Frame& frame, InboundFrame& inbound) {
  const auto* resolved = std::get_if<wire::Resolved>(&frame.body);
  if (resolved == nullptr || request_ == 0 || frame.header.request != request_) {
    return owner_->on_route_frame(*this, frame, inbound);
  }
  request_ = 0;
  if (resolved->code != 0) {
    // The broker that was asked first knows the queue, so this one will too.
    retry_at_ = connection_.now() + kRetryPause;
    return true;
  }
  queue_ = resolved->queue;
  known_ = true;
  owner_->on_route(*this, false);
  return true;
}

std::optional<base::MonoTime> ShardRoute::on_round(base::MonoTime now) {
  if (!retry_at_) return std::nullopt;
  if (now < *retry_at_) return retry_at_;
  retry_at_.reset();
  if (connection_.ready()) ask();
  return std::nullopt;
}

void ShardRoutes::follow(Connection& connection, const std::string& name,
                         const ResolvedQueue& queue, ShardRouteOwner& owner) {
  const std::size_t shards = queue.slots.shards();
  if (queue.endpoints.empty()) {
    if (all.empty()) all.push_back(std::make_unique<ShardRoute>(connection, queue.id));
    of_shard.resize(std::max(shards, of_shard.size()), all.front().get());
    return;
  }
  local = false;
  for (std::size_t shard = of_shard.size(); shard < shards; ++shard) {
    Connection& peer = connection.peer(queue.endpoints[shard]);
    const auto known = std::find_if(
        all.begin(), all.end(), [&](const auto& route) { return &route->connection() == &peer; });
    if (known != all.end()) {
      of_shard.push_back(known->get());
      continue;
    }
    all.push_back(std::make_unique<ShardRoute>(peer, name, owner));
    of_shard.push_back(all.back().get());
  }
}

}  // namespace sluice::client
