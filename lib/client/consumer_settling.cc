#include <algorithm>
#include <utility>

#include "client/consumer_impl.h"
#include "client/refusal.h"

// What a Consumer says about messages that it was lent, and what becomes of it.
namespace sluice::client {
namespace {

// Enough acknowledged pieces to be worth a frame before the application polls again.
constexpr std::size_t kSettleFramesMax = 8;

base::Error settled_perhaps() {
  return base::unavailable("the connection was lost before the answer; it may be settled or not");
}

base::Error lease_was_lost() {
  return to_error(wire::Code::kStaleReceipt, "the lease was lost before it was settled");
}

}  // namespace

void Consumer::Impl::ack(std::span<const ReceiptWord> words) {
  for (auto at = words.begin(); at != words.end();) {
    const auto end = std::find_if(at, words.end(), [at](const ReceiptWord& word) {
      return word.epoch != at->epoch || word.shard != at->shard;
    });
    if (at->shard.value() < attachments_.size()) {
      Attachment& attachment = attachments_[at->shard.value()];
      std::uint64_t messages = 0;
      for (const ReceiptWord& word : std::span(at, end)) {
        if (!options_.at_most_once && !failure_) {
          attachment.settles.ack(word.epoch, word.first, word.bits);
        }
        messages += word.count();
      }
      attachment.credit.on_settled(at->epoch, messages);
      if (attachment.settles.waiting_frames() > kSettleFramesMax) pump(attachment);
    }
    at = end;
  }
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

}  // namespace sluice::client
