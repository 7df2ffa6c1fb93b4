#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "client/connection.h"
#include "client/publish_lane.h"
#include "client/publisher.h"
#include "client/resolve.h"
#include "client/shard_route.h"

namespace sluice::client {

// What a Publisher is behind its fast path: open batches, one lane a shard, and the buffers.
class Publisher::Impl final : public ConnectionUser, private ShardRouteOwner {
 public:
  Impl(Connection& connection, PublisherOptions options, ResolvedQueue queue, FastPath& fast);
  ~Impl() override;

  // `needs_all`: not before every shard has told the number of the producer's last message.
  base::Status open(bool needs_all);
  base::Status publish(const base::Message& message);
  base::Status append(base::ByteView body);
  void publish_frame(MadeBatch made);
  base::Status send();
  base::Status flush(base::Millis timeout);
  base::Result<Stored> publish_sync(const base::Message& message, base::Millis timeout);
  base::Status poll(base::Millis timeout);

  std::uint64_t outstanding_messages();
  const ResolvedQueue& queue() const { return queue_; }
  base::Status failure() const;
  std::size_t shards() const { return queue_.slots.shards(); }
  const base::ProducerId& producer() const { return options_.producer; }
  std::uint16_t first_shard() const {
    const auto drawn = base::load<std::uint32_t>(std::as_bytes(std::span(producer().bytes)).data());
    return static_cast<std::uint16_t>(drawn % shards());
  }
  std::uint64_t last_sequence(base::ShardIndex shard) const;
  const PublisherStats& stats() const { return stats_; }

  void on_session(bool resumed) override;
  void on_session_lost() override;
  bool on_frame(wire::Frame& frame, InboundFrame& inbound) override;
  std::optional<base::MonoTime> on_round(base::MonoTime now) override;

 private:
  // A batch that messages are added to. Without a buffer = none.
  struct OpenBatch {
    std::shared_ptr<OutboundBuffer> buffer;
    std::uint32_t count = 0;
    std::uint64_t tag = 0;
    base::MonoTime opened_at;
  };
  struct Lane {
    std::uint16_t shard = 0;
    ShardRoute* route = nullptr;
    base::ProducerId producer;    // options_.producer, until the broker has forgotten that
    std::uint32_t own_epoch = 0;  // of another one
    PublishLane state;
    OpenBatch open;
  };
  // What is done about a stale shard map, in this order: nothing new is sent and all answers are
  // awaited; the broker is asked; lanes whose last answers were lost with a connection are opened,
  // because that tells what is stored; the rest is dealt out anew. Each step may fall back to the
  // first.
  enum class Remap { kNone, kDraining, kAsking, kRouting };

  void on_route(ShardRoute& route, bool resumed) override;
  void on_route_lost(ShardRoute& route) override;
  bool on_route_frame(ShardRoute& route, wire::Frame& frame, InboundFrame& inbound) override;
  // The fast path writes behind our back: its cursor is taken over before anything looks at the
  // open batches, and given again afterwards.
  void take_fast();
  void give_fast();
  // The open batch of `lane` with room for one more entry; seals the one before when it is full.
  base::Status reserve(Lane& lane, std::size_t entry_bytes);
  // Adds to the open batch of the slot's lane, or of any where there is no slot; says which.
  base::Result<std::size_t> add_entry(std::optional<std::uint16_t> slot, base::ByteView entry);
  base::Result<std::size_t> add_message(const base::Message& message);
  base::Status check_entry(std::size_t bytes) const;
  base::Status wait_for_room(std::uint64_t bytes);
  void seal(Lane& lane);
  std::size_t next_lane() const;
  void seal_all();
  void add_lane();
  void open_lanes();
  bool open_lane(Lane& lane);
  // A lane of this broker is being opened, and will know the producer's epoch there.
  bool is_drawing(const ShardRoute& route) const;
  std::uint32_t& epoch_of(Lane& lane);
  // Lanes that the map of now does not have any more only tell what became of their last batches.
  bool is_retired(const Lane& lane) const;
  void remap(base::MonoTime now);
  bool ask_for_map();
  void on_map(base::MonoTime now, const wire::Resolved& resolved);
  void fail_lanes(const base::Error& error);
  void route_anew();
  void pump(base::MonoTime now);
  void pump(Lane& lane, base::MonoTime now);
  void collect(Lane& lane);
  void report(Lane& lane, FinishedBatch finished);
  std::uint64_t open_bytes(const Lane& lane) const;

  std::shared_ptr<OutboundBuffer> take_buffer(std::size_t entries_bytes);
  void return_buffer(std::shared_ptr<OutboundBuffer> buffer);
  bool send_batch(Lane& lane, PendingBatch& batch);
  bool send_frame(Lane& lane, PendingBatch& batch, std::uint64_t request);
  bool send_pieces(Lane& lane, const PendingBatch& batch, std::uint64_t request);

  Connection& connection_;
  PublisherOptions options_;
  ResolvedQueue queue_;
  FastPath& fast_;
  bool fast_lent_ = false;
  ShardRoutes routes_;
  std::deque<Lane> lanes_;                   // lanes come while somebody holds on to another
  std::size_t round_robin_ = first_shard();  // the lane of messages that may go anywhere
  Remap remap_ = Remap::kNone;
  std::uint64_t map_request_ = 0;
  std::optional<base::MonoTime> map_retry_at_;
  std::optional<wire::SlotTable> next_slots_;  // in kRouting
  std::optional<base::Error> failure_;         // of all lanes
  std::uint64_t sealed_bytes_ = 0;             // of batches without an outcome
  std::uint64_t sealed_messages_ = 0;
  std::uint64_t last_tag_ = 0;
  std::vector<std::byte> scratch_;
  std::vector<std::shared_ptr<OutboundBuffer>> spare_;
  PublisherStats stats_;
  // publish_sync() waits for the outcome of the batch that its message went into.
  struct Watch {
    std::uint64_t tag = 0;
    std::optional<BatchOutcome> outcome;
  };
  Watch* watch_ = nullptr;
};

}  // namespace sluice::client
