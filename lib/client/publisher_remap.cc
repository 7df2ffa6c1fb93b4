#include <algorithm>
#include <iterator>
#include <utility>

#include "client/publisher_impl.h"
#include "client/refusal.h"
#include "client/retry_pause.h"
#include "client/route_batch.h"

// How a Publisher opens its lanes, and what it does when the broker goes by another shard map.
namespace sluice::client {

// Of the connection that was opened: where one broker has all shards it is the way to them too.
void Publisher::Impl::on_session(bool /*resumed*/) { open_lanes(); }

void Publisher::Impl::on_session_lost() {
  if (remap_ == Remap::kAsking) remap_ = Remap::kDraining;
  if (routes_.local) on_route_lost(*routes_.all.front());
}

bool Publisher::Impl::on_frame(wire::Frame& frame, InboundFrame& inbound) {
  if (const auto* resolved = std::get_if<wire::Resolved>(&frame.body)) {
    if (map_request_ != frame.header.request || remap_ != Remap::kAsking) return false;
    on_map(connection_.now(), *resolved);
    return true;
  }
  return routes_.local && on_route_frame(*routes_.all.front(), frame, inbound);
}

void Publisher::Impl::on_route(ShardRoute& /*route*/, bool /*resumed*/) { open_lanes(); }

void Publisher::Impl::on_route_lost(ShardRoute& route) {
  for (Lane& lane : lanes_) {
    if (lane.route == &route) lane.state.on_session_lost();
  }
}

bool Publisher::Impl::is_drawing(const ShardRoute& route) const {
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) {
    return lane.route == &route && lane.producer == options_.producer &&
           lane.state.phase() == PublishLane::Phase::kOpening;
  });
}

// Of each broker shard after shard at first: the one that is opened first draws the epoch for all.
void Publisher::Impl::open_lanes() {
  const base::MonoTime now = connection_.now();
  for (Lane& lane : lanes_) {
    if (!lane.route->ready()) continue;
    const bool draws = lane.producer == options_.producer && lane.route->producer_epoch() == 0;
    if (draws && is_drawing(*lane.route)) continue;
    if (lane.state.phase() != PublishLane::Phase::kClosed || lane.state.map_is_stale()) continue;
    if (lane.state.retry_at() && now < *lane.state.retry_at()) continue;
    if (is_retired(lane) && lane.state.pending() == 0) continue;
    open_lane(lane);
  }
}

std::uint32_t& Publisher::Impl::epoch_of(Lane& lane) {
  return lane.producer == options_.producer ? lane.route->producer_epoch() : lane.own_epoch;
}

bool Publisher::Impl::open_lane(Lane& lane) {
  if (lane.state.take_forgotten()) {
    lane.producer = base::ProducerId(connection_.draw_id());
    lane.own_epoch = 0;
  }
  wire::OpenPublisher open;
  open.queue = lane.route->queue();
  open.shard = lane.shard;
  open.map_version = next_slots_ ? next_slots_->version() : queue_.slots.version();
  open.producer = lane.producer;
  open.producer_epoch = epoch_of(lane);
  Connection& connection = lane.route->connection();
  const std::uint64_t request = connection.next_request();
  if (!connection.send(open, request)) return false;
  lane.state.on_opening(request);
  return true;
}

bool Publisher::Impl::is_retired(const Lane& lane) const {
  return lane.shard >= (next_slots_ ? *next_slots_ : queue_.slots).shards();
}

void Publisher::Impl::remap(base::MonoTime now) {
  if (failure_) return;
  const bool stale = std::any_of(lanes_.begin(), lanes_.end(),
                                 [](const Lane& lane) { return lane.state.map_is_stale(); });
  if (stale && remap_ != Remap::kAsking) {
    for (Lane& lane : lanes_) lane.state.hold();
    remap_ = Remap::kDraining;
    next_slots_.reset();
  }
  if (remap_ == Remap::kDraining) {
    const bool waits = std::any_of(lanes_.begin(), lanes_.end(),
                                   [](const Lane& lane) { return lane.state.has_under_way(); });
    if (!waits && (!map_retry_at_ || now >= *map_retry_at_) && ask_for_map()) {
      remap_ = Remap::kAsking;
      map_retry_at_.reset();
    }
  }
  if (remap_ != Remap::kRouting) return;
  const bool clear = std::all_of(lanes_.begin(), lanes_.end(),
                                 [](const Lane& lane) { return lane.state.is_clear(); });
  if (clear) route_anew();
}

bool Publisher::Impl::ask_for_map() {
  map_request_ = connection_.next_request();
  return connection_.send(wire::Resolve{options_.queue}, map_request_);
}

void Publisher::Impl::on_map(base::MonoTime now, const wire::Resolved& resolved) {
  const base::Result<ResolvedQueue> queue = to_resolved_queue(resolved, options_.queue);
  const bool same = queue.has_value() && queue->slots.version() == queue_.slots.version();
  if (asks_for_patience(static_cast<wire::Code>(resolved.code)) || same) {
    remap_ = Remap::kDraining;
    map_retry_at_ = now + kRetryPause;
    return;
  }
  if (!queue.has_value()) return fail_lanes(queue.error());
  if (routes_.local && queue->id != queue_.id) {
    return fail_lanes(base::not_found("queue '" + options_.queue + "' was deleted and made anew"));
  }
  queue_.message_bytes_max = queue->message_bytes_max;
  fast_.entry_bytes_max = base::kEntryHeaderBytes + queue->message_bytes_max;
  next_slots_ = queue->slots;
  queue_.endpoints = queue->endpoints;
  for (Lane& lane : lanes_) lane.state.on_map();
  remap_ = Remap::kRouting;
}

void Publisher::Impl::fail_lanes(const base::Error& error) {
  remap_ = Remap::kNone;
  failure_ = error;
  for (Lane& lane : lanes_) {
    lane.state.end(wire::Code::kStaleShardMap, error.message());
    collect(lane);
  }
}

// Of each key all that is not stored stands in one lane, in order. Until here everything was dealt
// out by the old map, so that this stays so.
void Publisher::Impl::route_anew() {
  seal_all();
  queue_.slots = *std::exchange(next_slots_, std::nullopt);
  routes_.follow(connection_, options_.queue, queue_, *this);
  while (lanes_.size() < queue_.slots.shards()) add_lane();
  round_robin_ %= shards();
  std::vector<RoutedBatch> parts;
  for (Lane& lane : lanes_) {
    for (PendingBatch& batch : lane.state.take_unstored()) {
      std::vector<RoutedBatch> routed =
          route_batch(std::move(batch), queue_.slots, base::ShardIndex(lane.shard));
      std::move(routed.begin(), routed.end(), std::back_inserter(parts));
    }
  }
  for (RoutedBatch& part : parts) {
    Lane& lane = lanes_[part.shard.value()];
    lane.state.add(std::move(part.batch));
    collect(lane);
  }
  for (Lane& lane : lanes_) lane.state.on_routed();
  remap_ = Remap::kNone;
}

}  // namespace sluice::client
