#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/publish_lane.h"
#include "client/publisher.h"
#include "client/resolve.h"

namespace sluice::client {

// What a Publisher is behind its fast path: open batches, one lane a shard, and the buffers.
class Publisher::Impl final : public ConnectionUser {
 public:
  Impl(Connection& connection, PublisherOptions options, ResolvedQueue queue, FastPath& fast);
  ~Impl() override;

  base::Status open();
  base::Status publish(const base::Message& message);
  base::Status append(base::ByteView body);
  void publish_frame(base::ShardIndex shard, std::shared_ptr<OutboundBuffer> frame,
                     std::uint32_t count, std::uint64_t tag);
  base::Status send();
  base::Status flush(base::Millis timeout);
  base::Result<Stored> publish_sync(const base::Message& message, base::Millis timeout);
  base::Status poll(base::Millis timeout);

  std::uint64_t outstanding_messages();
  const ResolvedQueue& queue() const { return queue_; }
  base::Status failure() const;
  std::size_t shards() const { return lanes_.size(); }
  const base::ProducerId& producer() const { return options_.producer; }
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
    PublishLane state;
    OpenBatch open;
  };

  // The fast path writes behind our back: its cursor is taken over before anything looks at the
  // open batches, and given again afterwards.
  void take_fast();
  void give_fast();
  // The open batch of `lane` with room for one more entry; seals the one before when it is full.
  base::Status reserve(Lane& lane, std::size_t entry_bytes);
  // Adds to the open batch of that lane, or of any where `lane` is lanes_.size(); says which.
  base::Result<std::size_t> add_entry(std::size_t lane, base::ByteView entry);
  base::Result<std::size_t> add_message(const base::Message& message);
  base::Status check_entry(std::size_t bytes) const;
  base::Status wait_for_room(std::uint64_t bytes);
  void seal(Lane& lane);
  void seal_all();
  void open_lanes();
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

  std::size_t lane_index(const Lane& lane) const {
    return static_cast<std::size_t>(&lane - lanes_.data());
  }

  Connection& connection_;
  PublisherOptions options_;
  ResolvedQueue queue_;
  FastPath& fast_;
  bool fast_lent_ = false;
  std::vector<Lane> lanes_;
  std::size_t round_robin_ = 0;  // the lane of messages that may go anywhere
  std::uint32_t producer_epoch_ = 0;
  std::uint64_t sealed_bytes_ = 0;  // of batches without an outcome
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
