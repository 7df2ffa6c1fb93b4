#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "client/connection.h"
#include "client/resolve.h"

namespace sluice::client {

class ShardRoute;

// Told of what happens on the way to some shards; from inside the connection's calls only.
class ShardRouteOwner {
 public:
  virtual ~ShardRouteOwner() = default;
  // A session is there (again), and the queue's id at that broker is known.
  virtual void on_route(ShardRoute& route, bool resumed) = 0;
  virtual void on_route_lost(ShardRoute& route) = 0;
  // True = it was mine.
  virtual bool on_route_frame(ShardRoute& route, wire::Frame& frame, InboundFrame& inbound) = 0;
};

// The broker that has some shards of a queue: the connection to it, and the id of the queue there,
// since each broker draws its own. Where one broker has all of a queue this is the connection that
// was opened; else one of its peers, which this asks for the id.
//
// Thread: the connection's owner.
class ShardRoute final : public ConnectionUser {
 public:
  // All shards are at the broker that was asked. `owner` passes on what the connection tells it.
  ShardRoute(Connection& connection, const base::QueueId& queue);
  // At another one. REQUIRES: `owner` outlives it.
  ShardRoute(Connection& peer, std::string name, ShardRouteOwner& owner);
  ~ShardRoute() override;
  ShardRoute(const ShardRoute&) = delete;
  ShardRoute& operator=(const ShardRoute&) = delete;

  Connection& connection() { return connection_; }
  const base::QueueId& queue() const { return queue_; }
  // Frames about the queue can be sent.
  bool ready() const { return known_ && connection_.ready(); }
  // The producer's, at this broker; 0 = none was drawn yet.
  std::uint32_t& producer_epoch() { return producer_epoch_; }

  void on_session(bool resumed) override;
  void on_session_lost() override;
  bool on_frame(wire::Frame& frame, InboundFrame& inbound) override;
  std::optional<base::MonoTime> on_round(base::MonoTime now) override;

 private:
  void ask();

  Connection& connection_;
  ShardRouteOwner* owner_ = nullptr;  // null = `owner` is the connection's user itself
  const std::string name_;
  base::QueueId queue_;
  bool known_ = false;
  std::uint64_t request_ = 0;  // of the RESOLVE that is under way
  std::optional<base::MonoTime> retry_at_;
  std::uint32_t producer_epoch_ = 0;
};

// The ways to all shards of a queue: a place in `routes` for each.
struct ShardRoutes {
  std::vector<std::unique_ptr<ShardRoute>> all;  // the first one is the only one where it is local
  std::vector<ShardRoute*> of_shard;
  bool local = true;  // one broker has all shards

  // Follows a map: routes that are there stay. REQUIRES: at first `all` is empty.
  void follow(Connection& connection, const std::string& name, const ResolvedQueue& queue,
              ShardRouteOwner& owner);
};

}  // namespace sluice::client
