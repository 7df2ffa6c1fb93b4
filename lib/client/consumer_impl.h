#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "client/consumer.h"
#include "client/delivery_credit.h"
#include "client/resolve.h"
#include "client/settle_queue.h"
#include "client/shard_route.h"

namespace sluice::client {

// One attachment a shard, what was delivered and not fetched, and the settles on their way.
class Consumer::Impl final : public ConnectionUser, private ShardRouteOwner {
 public:
  Impl(Connection& connection, ConsumerOptions options, ResolvedQueue queue);
  ~Impl() override;

  base::Status open();
  base::Result<std::optional<DeliveredBatch>> poll(base::Millis timeout);
  void ack(std::span<const ReceiptWord> words);
  void settle(SettleKind kind, const Receipt& receipt, SettleOptions options);
  void settle(SettleKind kind, const DeliveredBatch& batch);
  base::Status extend(base::ShardIndex shard, std::vector<wire::WireReceipt> receipts,
                      base::Millis duration, SettleCallback done);
  base::Status extend_all(base::Millis duration);
  base::Status flush_settles(base::Millis timeout);
  void stop_credit();
  std::uint64_t unconfirmed_messages() const;
  std::uint64_t lost_messages() const { return lost_messages_; }
  std::uint64_t held_messages() const;
  Mark settle_mark() const;
  bool passed(const Mark& mark) const;
  void abandon(const base::Error& error);
  const ConsumerStats& stats() const { return stats_; }

  void on_session(bool resumed) override;
  void on_session_lost() override;
  bool on_frame(wire::Frame& frame, InboundFrame& inbound) override;
  std::optional<base::MonoTime> on_round(base::MonoTime now) override;

 private:
  // A large message of which not all pieces are here yet.
  struct Assembly {
    std::uint64_t epoch = 0;
    std::uint64_t limit = wire::kChunkWindowBytes;  // as the broker knows it
    std::shared_ptr<std::vector<std::byte>> entry;
  };
  struct Attachment {
    Attachment(DeliveryCredit window, ShardRoute& way) : route(&way), credit(std::move(window)) {}

    enum class Phase { kClosed, kOpening, kOpen };
    ShardRoute* route;
    Phase phase = Phase::kClosed;
    std::uint64_t open_request = 0;
    std::uint32_t handle = 0;
    std::uint64_t last_epoch = 0;                 // of the last delivery of this session
    std::uint64_t* session_last_epoch = nullptr;  // the same over all consumers of the connection
    std::optional<base::MonoTime> retry_at;
    SettleQueue settles;
    DeliveryCredit credit;
    std::optional<Assembly> assembly;
  };

  void add_attachments();
  void attach(base::MonoTime now);
  // The broker goes by another shard map.
  void ask_for_map(base::MonoTime now);
  void on_map(const wire::Resolved& resolved);
  bool is_retired(const Attachment& attachment) const;
  void pump(Attachment& attachment);
  void on_route(ShardRoute& route, bool resumed) override;
  void on_route_lost(ShardRoute& route) override;
  bool on_route_frame(ShardRoute& route, wire::Frame& frame, InboundFrame& inbound) override;
  void forget_leases(const ShardRoute& route);
  void reopen(Attachment& attachment);
  Attachment* by_handle(const ShardRoute& route, std::uint32_t handle);
  base::ShardIndex shard_of(const Attachment& attachment) const;
  void on_attached(Attachment& attachment, const wire::Attached& attached);
  bool on_error(const ShardRoute& route, std::uint64_t request, const wire::ErrorFrame& error);
  bool on_settled(const ShardRoute& route, std::uint64_t request, const wire::Settled& settled);
  void on_answered(const PendingSettle& settle, const wire::Settled& settled);
  bool on_extended(const ShardRoute& route, std::uint64_t request, const wire::Extended& extended);
  void on_deliver(Attachment& attachment, wire::Deliver deliver, InboundFrame inbound);
  void on_chunk(Attachment& attachment, const wire::DeliverChunk& chunk);
  void on_closed(Attachment& attachment, const wire::AttachmentClosed& closed);
  // The leases of the attachment are void.
  void lose_leases(Attachment& attachment);
  void fail(base::Error error);
  base::Status send_extend(Attachment& attachment, wire::Extend extend, base::Millis duration,
                           SettleCallback done);

  Connection& connection_;
  ConsumerOptions options_;
  ResolvedQueue queue_;
  std::vector<Attachment> attachments_;
  std::deque<DeliveredBatch> ready_;
  ShardRoutes routes_;
  // By the request at a broker; the callbacks may be empty.
  std::map<std::pair<const ShardRoute*, std::uint64_t>, SettleCallback> extends_;
  bool map_is_stale_ = false;
  std::uint64_t map_request_ = 0;  // 0 = none is under way
  std::optional<base::MonoTime> map_retry_at_;
  std::optional<base::Error> failure_;
  ConsumerStats stats_;
  std::uint64_t lost_messages_ = 0;
};

}  // namespace sluice::client
