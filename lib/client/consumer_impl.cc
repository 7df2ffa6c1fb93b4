#include "client/consumer_impl.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/refusal.h"
#include "client/retry_pause.h"

namespace sluice::client {

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
    if (attachment.phase == Attachment::Phase::kOpen) consider(attachment.credit.due_at());
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
  if (const auto limits = attachment.credit.due(connection_.now())) {
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
