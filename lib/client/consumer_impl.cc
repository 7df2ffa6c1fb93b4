#include "client/consumer_impl.h"

#include <algorithm>
#include <utility>

#include "client/refusal.h"
#include "client/retry_pause.h"

namespace sluice::client {
namespace {

// Enough acknowledged pieces to be worth a frame before the application polls again.
constexpr std::size_t kSettleFramesMax = 8;

}  // namespace

Consumer::Impl::Impl(Connection& connection, ConsumerOptions options, ResolvedQueue queue)
    : connection_(connection), options_(std::move(options)), queue_(std::move(queue)) {
  const std::uint64_t shards = queue_.slots.shards();
  const std::uint64_t messages = std::max<std::uint64_t>(options_.messages_max / shards, 1);
  const std::uint64_t bytes = std::max<std::uint64_t>(options_.bytes_max / shards, 1);
  for (std::uint64_t i = 0; i < shards; ++i) {
    attachments_.emplace_back(DeliveryCredit(messages, bytes));
  }
  connection_.add_user(this);
}

Consumer::Impl::~Impl() {
  for (Attachment& attachment : attachments_) {
    pump(attachment);
    if (attachment.phase == Attachment::Phase::kOpen) {
      connection_.send(wire::Detach{attachment.handle}, 0);
    }
  }
  connection_.remove_user(this);
}

base::Status Consumer::Impl::open() {
  const auto settled = [this] {
    return failure_.has_value() ||
           std::all_of(attachments_.begin(), attachments_.end(), [](const Attachment& attachment) {
             return attachment.phase == Attachment::Phase::kOpen;
           });
  };
  RETURN_IF_ERROR(connection_.poll_until(settled, connection_.options().request_timeout));
  if (failure_) return *failure_;
  return {};
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

void Consumer::Impl::settle(SettleKind kind, const Receipt& receipt,
                            std::optional<base::Millis> delay, std::string_view error) {
  if (receipt.shard.value() >= attachments_.size()) return;
  Attachment& attachment = attachments_[receipt.shard.value()];
  if (options_.at_most_once) {
    // The broker has settled it before.
  } else if (kind == SettleKind::kAck) {
    attachment.settles.ack(receipt.epoch, receipt.range);
  } else {
    attachment.settles.add(kind, receipt.epoch, receipt.range, delay, error);
  }
  attachment.credit.on_settled(receipt.epoch, receipt.range.count());
  if (attachment.settles.waiting_frames() > kSettleFramesMax) pump(attachment);
}

void Consumer::Impl::settle(SettleKind kind, const DeliveredBatch& batch) {
  for (const Receipt& receipt : batch.receipts()) settle(kind, receipt, std::nullopt, {});
}

base::Status Consumer::Impl::extend(base::ShardIndex shard, std::vector<wire::WireReceipt> receipts,
                                    base::Millis duration) {
  if (shard.value() >= attachments_.size()) return base::invalid_argument("no such shard");
  wire::Extend extend;
  extend.receipts = std::move(receipts);
  return send_extend(attachments_[shard.value()], std::move(extend), duration);
}

base::Status Consumer::Impl::extend_all(base::Millis duration) {
  for (Attachment& attachment : attachments_) {
    wire::Extend extend;
    extend.all = true;
    RETURN_IF_ERROR(send_extend(attachment, std::move(extend), duration));
  }
  return {};
}

base::Status Consumer::Impl::send_extend(Attachment& attachment, wire::Extend extend,
                                         base::Millis duration) {
  if (options_.at_most_once) return {};  // there is no lease
  constexpr std::int64_t kMax = ~std::uint32_t{0};
  extend.attachment = attachment.handle;
  extend.duration_ms =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, kMax));
  const std::uint64_t request = connection_.next_request();
  if (attachment.phase != Attachment::Phase::kOpen || !connection_.send(extend, request)) {
    return base::unavailable("no connection to the broker");
  }
  extends_.insert(request);
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

void Consumer::Impl::on_session(bool resumed) {
  if (!resumed) forget_leases();
  attach(connection_.now());
}

void Consumer::Impl::on_session_lost() {
  extends_.clear();
  for (Attachment& attachment : attachments_) reopen(attachment);
}

void Consumer::Impl::reopen(Attachment& attachment) {
  attachment.phase = Attachment::Phase::kClosed;
  attachment.handle = 0;
  attachment.retry_at.reset();
  attachment.settles.on_session_lost();
}

// The session was not resumed: what is in hand is leased to nobody or to others.
void Consumer::Impl::forget_leases() {
  // Nobody else gets what was settled before it came here.
  if (!options_.at_most_once) ready_.clear();
  for (Attachment& attachment : attachments_) {
    stats_.messages_stale += attachment.settles.clear();
    attachment.credit.clear();
    attachment.last_epoch = 0;
  }
}

void Consumer::Impl::attach(base::MonoTime now) {
  for (Attachment& attachment : attachments_) {
    if (attachment.phase != Attachment::Phase::kClosed || failure_) continue;
    if (attachment.retry_at && now < *attachment.retry_at) continue;
    const DeliveryCredit::Limits limits = attachment.credit.begin();
    wire::Attach attach;
    attach.queue = queue_.id;
    attach.shard = shard_of(attachment).value();
    attach.map_version = queue_.slots.version();
    attach.subscription = options_.subscription;
    attach.messages_limit = limits.messages;
    attach.bytes_limit = limits.bytes;
    attach.last_epoch = attachment.last_epoch;
    const std::uint64_t request = connection_.next_request();
    if (options_.at_most_once && (connection_.features() & wire::kFeatureAttachModes) == 0) {
      failure_ = base::Error(base::ErrorCode::kUnimplemented,
                             "the broker is too old for consumers that take at most once");
      return;
    }
    const bool sent = options_.at_most_once ? connection_.send(wire::AttachWith{attach, 1}, request)
                                            : connection_.send(attach, request);
    if (!sent) return;
    attachment.phase = Attachment::Phase::kOpening;
    attachment.open_request = request;
    attachment.retry_at.reset();
  }
}

std::optional<base::MonoTime> Consumer::Impl::on_round(base::MonoTime now) {
  attach(now);
  std::optional<base::MonoTime> wake;
  for (Attachment& attachment : attachments_) {
    pump(attachment);
    if (attachment.retry_at) {
      wake = wake ? std::min(*wake, *attachment.retry_at) : *attachment.retry_at;
    }
  }
  return wake;
}

// Settles before credit: what is delivered next should see the room that they make.
void Consumer::Impl::pump(Attachment& attachment) {
  if (attachment.phase != Attachment::Phase::kOpen) return;
  while (const PendingSettle* settle = attachment.settles.next()) {
    const std::uint64_t request = options_.confirm_settles ? connection_.next_request() : 0;
    if (!connection_.send(settle->to_frame(attachment.handle), request)) return;
    if (request == 0) stats_.messages_settled += settle->messages;
    attachment.settles.on_sent(request);
  }
  if (const auto limits = attachment.credit.due()) {
    const wire::Credit credit{attachment.handle, limits->messages, limits->bytes};
    if (connection_.send(credit, 0)) attachment.credit.on_told(*limits);
  }
}

bool Consumer::Impl::on_frame(wire::Frame& frame, InboundFrame& inbound) {
  const std::uint64_t request = frame.header.request;
  if (auto* deliver = std::get_if<wire::Deliver>(&frame.body)) {
    Attachment* attachment = by_handle(deliver->attachment);
    if (attachment == nullptr) return false;
    on_deliver(*attachment, std::move(*deliver), std::move(inbound));
    return true;
  }
  if (const auto* settled = std::get_if<wire::Settled>(&frame.body)) {
    return on_settled(request, settled->code, settled->stale);
  }
  if (const auto* extended = std::get_if<wire::Extended>(&frame.body)) {
    if (extends_.erase(request) == 0) return false;
    stats_.messages_stale += extended->stale;
    return true;
  }
  if (const auto* attached = std::get_if<wire::Attached>(&frame.body)) {
    for (Attachment& attachment : attachments_) {
      if (attachment.phase != Attachment::Phase::kOpening || attachment.open_request != request) {
        continue;
      }
      on_attached(attachment, *attached);
      return true;
    }
    return false;
  }
  if (const auto* closed = std::get_if<wire::AttachmentClosed>(&frame.body)) {
    if (by_handle(closed->attachment) == nullptr) return false;
    on_closed(*closed);
    return true;
  }
  const auto* error = std::get_if<wire::ErrorFrame>(&frame.body);
  return error != nullptr && on_error(request, *error);
}

bool Consumer::Impl::on_error(std::uint64_t request, const wire::ErrorFrame& error) {
  for (Attachment& attachment : attachments_) {
    if (attachment.phase == Attachment::Phase::kOpening && attachment.open_request == request) {
      wire::Attached refused;
      refused.code = error.code;
      refused.message = error.message;
      on_attached(attachment, refused);
      return true;
    }
  }
  return extends_.erase(request) > 0 || on_settled(request, error.code, 0);
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
  } else {
    attachment.phase = Attachment::Phase::kClosed;
    failure_ = to_error(code, attached.message);
  }
}

bool Consumer::Impl::on_settled(std::uint64_t request, std::uint16_t code, std::uint64_t stale) {
  for (Attachment& attachment : attachments_) {
    if (static_cast<wire::Code>(code) == wire::Code::kUnknownHandle &&
        attachment.settles.awaits(request)) {
      reopen(attachment);
      return true;
    }
    const std::uint64_t messages = attachment.settles.on_answered(request);
    if (messages == 0) continue;
    if (code == 0) {
      stats_.messages_settled += messages - std::min(messages, stale);
      stats_.messages_stale += stale;
    } else if (static_cast<wire::Code>(code) == wire::Code::kStaleReceipt) {
      stats_.messages_stale += messages;
    } else {
      ++stats_.settles_refused;
    }
    return true;
  }
  return false;
}

void Consumer::Impl::on_deliver(Attachment& attachment, wire::Deliver deliver,
                                InboundFrame inbound) {
  attachment.last_epoch = std::max(attachment.last_epoch, deliver.epoch);
  base::Result<DeliveredBatch> batch = DeliveredBatch::from(
      std::move(inbound), std::move(deliver), shard_of(attachment), connection_.now());
  if (!batch.has_value()) {
    failure_ = batch.error().with_prefix("a delivery could not be read");
    return;
  }
  attachment.credit.on_delivered(batch->epoch(), batch->size(), batch->bytes());
  stats_.messages_delivered += batch->size();
  ready_.push_back(std::move(*batch));
}

void Consumer::Impl::on_closed(const wire::AttachmentClosed& closed) {
  Attachment& attachment = *by_handle(closed.attachment);
  const base::ShardIndex shard = shard_of(attachment);
  if (!options_.at_most_once) {
    std::erase_if(ready_, [shard](const DeliveredBatch& batch) { return batch.shard() == shard; });
  }
  attachment.phase = Attachment::Phase::kClosed;
  attachment.handle = 0;
  stats_.messages_stale += attachment.settles.clear();
  attachment.credit.clear();
  const auto code = static_cast<wire::Code>(closed.code);
  if (code == wire::Code::kNone || asks_for_patience(code)) {
    attachment.retry_at = connection_.now() + kRetryPause;  // it was changed: attach anew
  } else {
    failure_ = to_error(code, closed.message);
  }
}

Consumer::Impl::Attachment* Consumer::Impl::by_handle(std::uint32_t handle) {
  for (Attachment& attachment : attachments_) {
    if (attachment.phase == Attachment::Phase::kOpen && attachment.handle == handle) {
      return &attachment;
    }
  }
  return nullptr;
}

base::ShardIndex Consumer::Impl::shard_of(const Attachment& attachment) const {
  return base::ShardIndex(static_cast<std::uint16_t>(&attachment - attachments_.data()));
}

}  // namespace sluice::client
