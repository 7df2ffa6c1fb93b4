#include <algorithm>
#include <utility>

#include "client/consumer_impl.h"
#include "client/refusal.h"
#include "client/retry_pause.h"

// How a Consumer attaches to its shards, also when the broker goes by another shard map.
namespace sluice::client {

void Consumer::Impl::add_attachments() {
  const std::uint64_t shards = queue_.slots.shards();
  const std::uint64_t messages = std::max<std::uint64_t>(options_.messages_max / shards, 1);
  const std::uint64_t bytes = std::max<std::uint64_t>(options_.bytes_max / shards, 1);
  routes_.follow(connection_, options_.queue, queue_, *this);
  while (attachments_.size() < shards) {
    ShardRoute& route = *routes_.of_shard[attachments_.size()];
    Attachment& attachment = attachments_.emplace_back(DeliveryCredit(messages, bytes), route);
    attachment.session_last_epoch = &route.connection().last_epoch(
        queue_.id, shard_of(attachment),
        options_.subscription.empty() ? "default" : options_.subscription);
  }
}

bool Consumer::Impl::is_retired(const Attachment& attachment) const {
  return shard_of(attachment).value() >= queue_.slots.shards();
}

void Consumer::Impl::ask_for_map(base::MonoTime now) {
  if (map_request_ != 0 || (map_retry_at_ && now < *map_retry_at_)) return;
  const std::uint64_t request = connection_.next_request();
  if (connection_.send(wire::Resolve{options_.queue}, request)) map_request_ = request;
}

void Consumer::Impl::on_map(const wire::Resolved& resolved) {
  map_request_ = 0;
  const base::Result<ResolvedQueue> queue = to_resolved_queue(resolved, options_.queue);
  const bool same = queue.has_value() && queue->slots.version() == queue_.slots.version();
  if (asks_for_patience(static_cast<wire::Code>(resolved.code)) || same) {
    map_retry_at_ = connection_.now() + kRetryPause;
    return;
  }
  if (!queue.has_value()) return fail(queue.error());
  if (routes_.local && queue->id != queue_.id) {
    return fail(base::not_found("queue '" + options_.queue + "' was deleted and made anew"));
  }
  map_is_stale_ = false;
  map_retry_at_.reset();
  queue_.slots = queue->slots;
  queue_.endpoints = queue->endpoints;
  add_attachments();
  for (Attachment& attachment : attachments_) {
    if (is_retired(attachment) && attachment.phase == Attachment::Phase::kClosed) {
      lose_leases(attachment);
    }
  }
}

void Consumer::Impl::attach(base::MonoTime now) {
  if (failure_) return;
  if (map_is_stale_) ask_for_map(now);
  for (Attachment& attachment : attachments_) {
    if (map_is_stale_ || is_retired(attachment)) continue;
    if (attachment.phase != Attachment::Phase::kClosed) continue;
    if (attachment.retry_at && now < *attachment.retry_at) continue;
    if (!attachment.route->ready()) continue;
    Connection& connection = attachment.route->connection();
    const DeliveryCredit::Limits limits = attachment.credit.begin();
    wire::Attach attach;
    attach.queue = attachment.route->queue();
    attach.shard = shard_of(attachment).value();
    attach.map_version = queue_.slots.version();
    attach.subscription = options_.subscription;
    attach.messages_limit = limits.messages;
    attach.bytes_limit = limits.bytes;
    attach.last_epoch = *attachment.session_last_epoch;
    const std::uint64_t request = connection.next_request();
    if (options_.at_most_once && (connection.features() & wire::kFeatureAttachModes) == 0) {
      fail(base::Error(base::ErrorCode::kUnimplemented,
                       "the broker is too old for consumers that take at most once"));
      return;
    }
    const bool sent = options_.at_most_once ? connection.send(wire::AttachWith{attach, 1}, request)
                                            : connection.send(attach, request);
    if (!sent) continue;
    attachment.settles.allow_words((connection.features() & wire::kFeatureReceiptWords) != 0);
    attachment.phase = Attachment::Phase::kOpening;
    attachment.open_request = request;
    attachment.retry_at.reset();
  }
}

}  // namespace sluice::client
