#include "client/consumer_impl.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/refusal.h"
#include "client/retry_pause.h"

namespace sluice::client {
namespace {

// Enough acknowledged pieces to be worth a frame before the application polls again.
constexpr std::size_t kSettleFramesMax = 8;

void tell(const std::vector<SettleCallback>& watchers, const base::Status& status) {
  for (const SettleCallback& watcher : watchers) watcher(status);
}

base::Error settled_perhaps() {
  return base::unavailable("the connection was lost before the answer; it may be settled or not");
}

base::Error lease_was_lost() {
  return to_error(wire::Code::kStaleReceipt, "the lease was lost before it was settled");
}

}  // namespace

Consumer::Impl::Impl(Connection& connection, ConsumerOptions options, ResolvedQueue queue)
    : connection_(connection), options_(std::move(options)), queue_(std::move(queue)) {
  add_attachments();
  connection_.add_user(this);
}

Consumer::Impl::~Impl() {
  abandon(base::unavailable("closed before the answer; it is unknown whether it is settled"));
  for (Attachment& attachment : attachments_) {
    pump(attachment);
    if (attachment.phase == Attachment::Phase::kOpen) {
      attachment.route->connection().send(wire::Detach{attachment.handle}, 0);
    }
  }
  connection_.remove_user(this);
}

base::Status Consumer::Impl::open() {
  const auto settled = [this] {
    return failure_.has_value() ||
           std::all_of(
               attachments_.begin(), attachments_.end(), [this](const Attachment& attachment) {
                 return attachment.phase == Attachment::Phase::kOpen || is_retired(attachment);
               });
  };
  const ConnectionOptions& options = connection_.options();
  base::Status status = connection_.poll_until(
      settled, routes_.local ? options.request_timeout : options.connect_timeout);
  if (failure_) return *failure_;
  const bool any = std::any_of(
      attachments_.begin(), attachments_.end(),
      [](const Attachment& attachment) { return attachment.phase == Attachment::Phase::kOpen; });
  // A broker that is away is no reason not to begin with the others.
  if (!status.has_value() && any && !routes_.local) return {};
  return status;
}

// --- What applications call.

base::Result<std::optional<DeliveredBatch>> Consumer::Impl::poll(base::Millis timeout) {
  // What is here goes first, so that settles leave and heartbeats are answered however busy the
  // application is.
  RETURN_IF_ERROR(connection_.keep_alive());
  if (ready_.empty() && !failure_ && timeout > base::Millis(0)) {
    const base::Status status =
        connection_.poll_until([this] { return !ready_.empty() || failure_.has_value(); }, timeout);
    const bool in_vain =
        !status.has_value() && status.error().code() == base::ErrorCode::kDeadlineExceeded;
    if (!status.has_value() && !in_vain) return status.error();
  }
  if (!ready_.empty()) {
    std::optional<DeliveredBatch> batch(std::move(ready_.front()));
    ready_.pop_front();
    return batch;
  }
  if (failure_) return *failure_;
  return std::optional<DeliveredBatch>();
}

void Consumer::Impl::settle(SettleKind kind, const Receipt& receipt, SettleOptions options) {
  if (receipt.shard.value() >= attachments_.size()) {
    if (options.done) options.done(base::invalid_argument("no such shard"));
    return;
  }
  Attachment& attachment = attachments_[receipt.shard.value()];
  if (options_.at_most_once) {
    // The broker has settled it before.
    if (options.done) options.done({});
  } else if (failure_) {
    if (options.done) options.done(*failure_);
  } else if (kind == SettleKind::kAck && !options.done && !options.alone) {
    attachment.settles.ack(receipt.epoch, receipt.range);
  } else {
    attachment.settles.add(kind, receipt.epoch, receipt.range, options.delay, options.error,
                           {std::move(options.done), options.alone});
  }
  attachment.credit.on_settled(receipt.epoch, receipt.range.count());
  if (attachment.settles.waiting_frames() > kSettleFramesMax) pump(attachment);
}

void Consumer::Impl::settle(SettleKind kind, const DeliveredBatch& batch) {
  Attachment* const attachment =
      batch.shard().value() < attachments_.size() ? &attachments_[batch.shard().value()] : nullptr;
  if (attachment == nullptr || batch.size() == 0) return;
  if (!options_.at_most_once && !failure_) attachment->settles.add_all(kind, batch);
  attachment->credit.on_settled(batch.epoch(), batch.size());
  if (attachment->settles.waiting_frames() > kSettleFramesMax) pump(*attachment);
}

base::Status Consumer::Impl::extend(base::ShardIndex shard, std::vector<wire::WireReceipt> receipts,
                                    base::Millis duration, SettleCallback done) {
  if (shard.value() >= attachments_.size()) return base::invalid_argument("no such shard");
  wire::Extend extend;
  extend.receipts = std::move(receipts);
  return send_extend(attachments_[shard.value()], std::move(extend), duration, std::move(done));
}

base::Status Consumer::Impl::extend_all(base::Millis duration) {
  for (Attachment& attachment : attachments_) {
    wire::Extend extend;
    extend.all = true;
    RETURN_IF_ERROR(send_extend(attachment, std::move(extend), duration, nullptr));
  }
  return {};
}

base::Status Consumer::Impl::send_extend(Attachment& attachment, wire::Extend extend,
                                         base::Millis duration, SettleCallback done) {
  if (options_.at_most_once) {  // there is no lease
    if (done) done({});
    return {};
  }
  constexpr std::int64_t kMax = ~std::uint32_t{0};
  extend.attachment = attachment.handle;
  extend.duration_ms =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, kMax));
  Connection& connection = attachment.route->connection();
  const std::uint64_t request = connection.next_request();
  if (attachment.phase != Attachment::Phase::kOpen || !connection.send(extend, request)) {
    return base::unavailable("no connection to the broker");
  }
  extends_.emplace(std::pair(attachment.route, request), std::move(done));
  return {};
}

base::Status Consumer::Impl::flush_settles(base::Millis timeout) {
  for (Attachment& attachment : attachments_) pump(attachment);
  RETURN_IF_ERROR(connection_.poll_until(
      [this] { return failure_.has_value() || unconfirmed_messages() == 0; }, timeout));
  if (failure_) return *failure_;
  return {};
}

void Consumer::Impl::stop_credit() {
  for (Attachment& attachment : attachments_) attachment.credit.stop();
}

std::uint64_t Consumer::Impl::unconfirmed_messages() const {
  std::uint64_t count = 0;
  for (const Attachment& attachment : attachments_) {
    count += attachment.settles.unconfirmed_messages();
  }
  return count;
}

std::uint64_t Consumer::Impl::held_messages() const {
  std::uint64_t count = 0;
  for (const Attachment& attachment : attachments_) count += attachment.credit.held_messages();
  return count;
}

// --- The connection.

// Of the connection that was opened: where one broker has all shards it is the way to them too.
void Consumer::Impl::on_session(bool resumed) {
  if (routes_.local) on_route(*routes_.all.front(), resumed);
}

void Consumer::Impl::on_session_lost() {
  map_request_ = 0;
  if (routes_.local) on_route_lost(*routes_.all.front());
}

bool Consumer::Impl::on_frame(wire::Frame& frame, InboundFrame& inbound) {
  const auto* resolved = std::get_if<wire::Resolved>(&frame.body);
  if (resolved != nullptr) {
    if (map_request_ == 0 || map_request_ != frame.header.request) return false;
    on_map(*resolved);
    return true;
  }
  return routes_.local && on_route_frame(*routes_.all.front(), frame, inbound);
}

void Consumer::Impl::on_route(ShardRoute& route, bool resumed) {
  if (!resumed) forget_leases(route);
  attach(connection_.now());
}

void Consumer::Impl::on_route_lost(ShardRoute& route) {
  std::vector<SettleCallback> watchers;
  for (auto at = extends_.begin(); at != extends_.end();) {
    const bool mine = at->first.first == &route;
    if (mine && at->second) watchers.push_back(std::move(at->second));
    at = mine ? extends_.erase(at) : std::next(at);
  }
  for (Attachment& attachment : attachments_) {
    if (attachment.route == &route) reopen(attachment);
  }
  tell(watchers, base::unavailable("the connection was lost before the answer"));
}

void Consumer::Impl::reopen(Attachment& attachment) {
  attachment.phase = Attachment::Phase::kClosed;
  attachment.handle = 0;
  attachment.retry_at.reset();
  attachment.settles.on_session_lost();
  attachment.assembly.reset();  // the attachment says what was seen whole; the rest goes back
}

// The session was not resumed: what is in hand is leased to nobody or to others.
void Consumer::Impl::forget_leases(const ShardRoute& route) {
  for (Attachment& attachment : attachments_) {
    if (attachment.route != &route) continue;
    // Nobody else gets what was settled before it came here.
    if (!options_.at_most_once) {
      const base::ShardIndex shard = shard_of(attachment);
      std::erase_if(ready_, [&](const DeliveredBatch& batch) { return batch.shard() == shard; });
    }
    lose_leases(attachment);
    attachment.last_epoch = 0;
  }
}

std::optional<base::MonoTime> Consumer::Impl::on_round(base::MonoTime now) {
  attach(now);
  std::optional<base::MonoTime> wake;
  // What is due already waits for an answer or a session, and not for a time.
  const auto consider = [&](const std::optional<base::MonoTime>& at) {
    if (at && now < *at) wake = wake ? std::min(*wake, *at) : *at;
  };
  if (map_is_stale_) consider(map_retry_at_);
  for (Attachment& attachment : attachments_) {
    pump(attachment);
    consider(attachment.retry_at);
  }
  return wake;
}

// Settles before credit: what is delivered next should see the room that they make.
void Consumer::Impl::pump(Attachment& attachment) {
  if (attachment.phase != Attachment::Phase::kOpen) return;
  Connection& connection = attachment.route->connection();
  while (PendingSettle* settle = attachment.settles.next()) {
    const std::uint64_t request = options_.confirm_settles ? connection.next_request() : 0;
    const auto send = [&](const wire::Body& body) { return connection.send(body, request); };
    if (!settle->send_as_frame(attachment.handle, send)) return;
    if (request == 0) stats_.messages_settled += settle->messages;
    attachment.settles.on_sent(request);
  }
  if (const auto limits = attachment.credit.due()) {
    const wire::Credit credit{attachment.handle, limits->messages, limits->bytes};
    if (connection.send(credit, 0)) attachment.credit.on_told(*limits);
  }
}

bool Consumer::Impl::on_route_frame(ShardRoute& route, wire::Frame& frame, InboundFrame& inbound) {
  const std::uint64_t request = frame.header.request;
  if (auto* deliver = std::get_if<wire::Deliver>(&frame.body)) {
    Attachment* attachment = by_handle(route, deliver->attachment);
    if (attachment == nullptr) return false;
    on_deliver(*attachment, std::move(*deliver), std::move(inbound));
    return true;
  }
  if (const auto* chunk = std::get_if<wire::DeliverChunk>(&frame.body)) {
    Attachment* attachment = by_handle(route, chunk->attachment);
    if (attachment == nullptr) return false;
    on_chunk(*attachment, *chunk);
    return true;
  }
  if (const auto* settled = std::get_if<wire::Settled>(&frame.body)) {
    return on_settled(route, request, *settled);
  }
  if (const auto* extended = std::get_if<wire::Extended>(&frame.body)) {
    return on_extended(route, request, *extended);
  }
  if (const auto* attached = std::get_if<wire::Attached>(&frame.body)) {
    for (Attachment& attachment : attachments_) {
      const bool opening = attachment.phase == Attachment::Phase::kOpening;
      if (!opening || attachment.route != &route || attachment.open_request != request) continue;
      on_attached(attachment, *attached);
      return true;
    }
    return false;
  }
  if (const auto* closed = std::get_if<wire::AttachmentClosed>(&frame.body)) {
    Attachment* attachment = by_handle(route, closed->attachment);
    if (attachment == nullptr) return false;
    on_closed(*attachment, *closed);
    return true;
  }
  const auto* error = std::get_if<wire::ErrorFrame>(&frame.body);
  return error != nullptr && on_error(route, request, *error);
}

bool Consumer::Impl::on_error(const ShardRoute& route, std::uint64_t request,
                              const wire::ErrorFrame& error) {
  for (Attachment& attachment : attachments_) {
    if (attachment.route != &route) continue;
    if (attachment.phase == Attachment::Phase::kOpening && attachment.open_request == request) {
      wire::Attached refused;
      refused.code = error.code;
      refused.message = error.message;
      on_attached(attachment, refused);
      return true;
    }
  }
  wire::Extended not_extended;
  not_extended.code = error.code;
  not_extended.message = error.message;
  wire::Settled not_settled;
  not_settled.code = error.code;
  not_settled.message = error.message;
  return on_extended(route, request, not_extended) || on_settled(route, request, not_settled);
}

void Consumer::Impl::on_attached(Attachment& attachment, const wire::Attached& attached) {
  const auto code = static_cast<wire::Code>(attached.code);
  if (code == wire::Code::kNone) {
    attachment.phase = Attachment::Phase::kOpen;
    attachment.handle = attached.attachment;
    pump(attachment);
  } else if (asks_for_patience(code)) {
    attachment.phase = Attachment::Phase::kClosed;
    attachment.retry_at = connection_.now() + kRetryPause;
  } else if (code == wire::Code::kStaleShardMap) {
    attachment.phase = Attachment::Phase::kClosed;
    map_is_stale_ = true;
  } else {
    attachment.phase = Attachment::Phase::kClosed;
    fail(to_error(code, attached.message));
  }
}

void Consumer::Impl::fail(base::Error error) {
  failure_ = std::move(error);
  abandon(*failure_);
}

bool Consumer::Impl::on_extended(const ShardRoute& route, std::uint64_t request,
                                 const wire::Extended& extended) {
  const auto found = extends_.find({&route, request});
  if (found == extends_.end()) return false;
  const SettleCallback done = std::move(found->second);
  extends_.erase(found);
  stats_.messages_stale += extended.stale;
  if (!done) return true;
  const bool stale = extended.code == 0 && extended.stale > 0;
  done(stale ? lease_was_lost() : to_status(extended.code, extended.message));
  return true;
}

bool Consumer::Impl::on_settled(const ShardRoute& route, std::uint64_t request,
                                const wire::Settled& settled) {
  for (Attachment& attachment : attachments_) {
    if (attachment.route != &route) continue;
    if (static_cast<wire::Code>(settled.code) == wire::Code::kUnknownHandle &&
        attachment.settles.awaits(request)) {
      reopen(attachment);
      return true;
    }
    std::optional<PendingSettle> settle = attachment.settles.on_answered(request);
    if (!settle) continue;
    on_answered(*settle, settled);
    return true;
  }
  return false;
}

void Consumer::Impl::on_answered(const PendingSettle& settle, const wire::Settled& settled) {
  base::Status status = to_status(settled.code, settled.message);
  const std::uint64_t stale = std::min(settle.messages, settled.stale);
  if (settled.code == 0) {
    stats_.messages_settled += settle.messages - stale;
    stats_.messages_stale += stale;
    // An ack that is repeated is told that it is done; of the others nobody knows.
    if (stale > 0 && settle.is_again && settle.kind != SettleKind::kAck) {
      status = settled_perhaps();
    } else if (stale == settle.messages) {
      status = lease_was_lost();
    } else if (stale > 0) {
      status = base::unavailable(
          "some of the messages that were settled together were stale; it "
          "is unknown which");
    }
  } else if (static_cast<wire::Code>(settled.code) == wire::Code::kStaleReceipt) {
    stats_.messages_stale += settle.messages;
    if (settle.is_again && settle.kind != SettleKind::kAck) status = settled_perhaps();
  } else {
    ++stats_.settles_refused;
  }
  tell(settle.watchers, status);
}

void Consumer::Impl::lose_leases(Attachment& attachment) {
  attachment.assembly.reset();
  SettleQueue::Dropped dropped = attachment.settles.clear();
  stats_.messages_stale += dropped.messages;
  lost_messages_ += dropped.messages;
  attachment.credit.clear();
  if (options_.on_leases_lost && attachment.last_epoch != 0) {
    options_.on_leases_lost(shard_of(attachment));
  }
  tell(dropped.never_sent, lease_was_lost());
  tell(dropped.unanswered, settled_perhaps());
}

Consumer::Mark Consumer::Impl::settle_mark() const {
  Mark mark;
  for (const Attachment& attachment : attachments_) {
    mark.push_back(attachment.settles.last_number());
  }
  return mark;
}

bool Consumer::Impl::passed(const Mark& mark) const {
  for (std::size_t i = 0; i < mark.size(); ++i) {
    if (!attachments_[i].settles.is_done(mark[i])) return false;
  }
  return true;
}

void Consumer::Impl::abandon(const base::Error& error) {
  std::vector<SettleCallback> watchers;
  for (auto& [request, done] : extends_) {
    if (done) watchers.push_back(std::exchange(done, nullptr));
  }
  for (Attachment& attachment : attachments_) attachment.settles.take_watchers(watchers);
  tell(watchers, error);
}

void Consumer::Impl::on_deliver(Attachment& attachment, wire::Deliver deliver,
                                InboundFrame inbound) {
  attachment.last_epoch = std::max(attachment.last_epoch, deliver.epoch);
  *attachment.session_last_epoch = std::max(*attachment.session_last_epoch, deliver.epoch);
  base::Result<DeliveredBatch> batch = DeliveredBatch::from(
      std::move(inbound), std::move(deliver), shard_of(attachment), connection_.now());
  if (!batch.has_value()) {
    fail(batch.error().with_prefix("a delivery could not be read"));
    return;
  }
  attachment.credit.on_delivered(batch->epoch(), batch->size(), batch->bytes());
  stats_.messages_delivered += batch->size();
  ready_.push_back(std::move(*batch));
}

void Consumer::Impl::on_closed(Attachment& attachment, const wire::AttachmentClosed& closed) {
  const base::ShardIndex shard = shard_of(attachment);
  if (!options_.at_most_once) {
    std::erase_if(ready_, [shard](const DeliveredBatch& batch) { return batch.shard() == shard; });
  }
  attachment.phase = Attachment::Phase::kClosed;
  attachment.handle = 0;
  lose_leases(attachment);
  const auto code = static_cast<wire::Code>(closed.code);
  if (code == wire::Code::kStaleShardMap) {
    map_is_stale_ = true;
  } else if (code == wire::Code::kNone || asks_for_patience(code)) {
    attachment.retry_at = connection_.now() + kRetryPause;  // it was changed: attach anew
  } else {
    fail(to_error(code, closed.message));
  }
}

Consumer::Impl::Attachment* Consumer::Impl::by_handle(const ShardRoute& route,
                                                      std::uint32_t handle) {
  for (Attachment& attachment : attachments_) {
    const bool open = attachment.phase == Attachment::Phase::kOpen;
    if (open && attachment.route == &route && attachment.handle == handle) return &attachment;
  }
  return nullptr;
}

base::ShardIndex Consumer::Impl::shard_of(const Attachment& attachment) const {
  return base::ShardIndex(static_cast<std::uint16_t>(&attachment - attachments_.data()));
}

}  // namespace sluice::client
