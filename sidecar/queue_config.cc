#include "sidecar/queue_config.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace sluice::sidecar {
namespace {

broker::FsyncPolicy to_fsync(api::Fsync fsync) {
  switch (fsync) {
    case api::Fsync::kAlways:
      return broker::FsyncPolicy::kAlways;
    case api::Fsync::kInterval:
      return broker::FsyncPolicy::kInterval;
    case api::Fsync::kNever:
      return broker::FsyncPolicy::kNever;
  }
  CHECK(false);
}

broker::Ordering to_ordering(api::Ordering ordering) {
  switch (ordering) {
    case api::Ordering::kUnordered:
      return broker::Ordering::kUnordered;
    case api::Ordering::kGrouped:
      return broker::Ordering::kGrouped;
  }
  CHECK(false);
}

broker::Overflow to_overflow(api::Overflow overflow) {
  switch (overflow) {
    case api::Overflow::kReject:
      return broker::Overflow::kReject;
    case api::Overflow::kBlock:
      return broker::Overflow::kBlock;
    case api::Overflow::kDropOldest:
      return broker::Overflow::kDropOldest;
    case api::Overflow::kDeadLetterOldest:
      return broker::Overflow::kDeadLetterOldest;
  }
  CHECK(false);
}

broker::DeadOverflow to_dead_overflow(api::DeadOverflow overflow) {
  switch (overflow) {
    case api::DeadOverflow::kDropOldestDead:
      return broker::DeadOverflow::kDropOldestDead;
    case api::DeadOverflow::kBlock:
      return broker::DeadOverflow::kBlock;
  }
  CHECK(false);
}

broker::StartPosition to_start(api::StartPosition start) {
  switch (start) {
    case api::StartPosition::kAll:
      return broker::StartPosition::kAll;
    case api::StartPosition::kNew:
      return broker::StartPosition::kNew;
    case api::StartPosition::kSequence:
      return broker::StartPosition::kSequence;
    case api::StartPosition::kTime:
      return broker::StartPosition::kTime;
  }
  CHECK(false);
}

broker::ExpiryAction to_expiry(api::ExpiryAction action) {
  switch (action) {
    case api::ExpiryAction::kDrop:
      return broker::ExpiryAction::kDrop;
    case api::ExpiryAction::kDeadLetter:
      return broker::ExpiryAction::kDeadLetter;
  }
  CHECK(false);
}

broker::DeliveryConfig to_delivery(const api::Delivery& delivery) {
  broker::DeliveryConfig config;
  config.lease = delivery.lease_duration;
  config.max_lease = delivery.max_lease;
  config.max_attempts = delivery.max_attempts;
  config.max_stalls = delivery.max_stalls;
  config.backoff.initial = delivery.backoff.initial;
  config.backoff.max = delivery.backoff.max;
  config.backoff.multiplier = delivery.backoff.multiplier;
  config.backoff.jitter = delivery.backoff.jitter;
  return config;
}

broker::DeadLetterConfig to_dead_letter(const api::DeadLetter& dead_letter) {
  broker::DeadLetterConfig config;
  config.retention = dead_letter.retention;
  config.bytes_max = dead_letter.bytes;
  config.messages_max = dead_letter.messages;
  config.overflow = to_dead_overflow(dead_letter.overflow);
  return config;
}

broker::SubscriptionConfig to_subscription(const api::Subscription& subscription) {
  broker::SubscriptionConfig config;
  config.name = subscription.name;
  config.start = to_start(subscription.start);
  config.start_at = subscription.start == api::StartPosition::kTime
                        ? static_cast<std::uint64_t>(subscription.start_time.value())
                        : subscription.start_sequence;
  config.delivery = to_delivery(subscription.delivery);
  config.dead_letter = to_dead_letter(subscription.dead_letter);
  return config;
}

// A limit of 0 is none, and stays so.
std::uint64_t share_of(std::uint64_t limit, std::uint16_t shares) {
  return limit / shares + (limit % shares == 0 ? 0 : 1);
}

void take_share(broker::QueueConfig& config, std::uint16_t shares) {
  config.limits.messages_max = share_of(config.limits.messages_max, shares);
  config.limits.bytes_max = share_of(config.limits.bytes_max, shares);
  config.retention.bytes = share_of(config.retention.bytes, shares);
  for (broker::SubscriptionConfig& one : config.subscriptions) {
    one.dead_letter.bytes_max = share_of(one.dead_letter.bytes_max, shares);
  }
  broker::DeadLetterConfig& created = config.created.defaults.dead_letter;
  created.bytes_max = share_of(created.bytes_max, shares);
}

}  // namespace

base::Result<broker::QueueConfig> to_queue_config(const api::Queue& queue, std::uint16_t shares) {
  const api::QueueSpec& spec = queue.spec;
  broker::QueueConfig config;
  config.name = queue.metadata.name;
  config.shards = spec.shards;
  config.fsync = to_fsync(spec.durability.fsync);
  config.fsync_interval = spec.durability.interval;
  config.ordering = to_ordering(spec.ordering);
  config.ttl = spec.ttl;
  config.expiry_action = to_expiry(spec.on_expiry);
  config.limits.messages_max = spec.limits.messages;
  config.limits.bytes_max = spec.limits.bytes;
  config.limits.message_bytes_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      spec.limits.message_bytes, std::numeric_limits<std::uint32_t>::max()));
  config.limits.overflow = to_overflow(spec.limits.overflow);
  config.retention.time = spec.retention.time;
  config.retention.bytes = spec.retention.bytes;
  config.subscriptions.reserve(spec.subscriptions.size());
  for (const api::Subscription& subscription : spec.subscriptions) {
    config.subscriptions.push_back(to_subscription(subscription));
  }
  if (spec.subscription_policy == api::SubscriptionPolicy::kAllowCreate) {
    config.created.allowed = true;
    config.created.idle_expiry = spec.created_subscriptions.idle_expiry;
    config.created.max = spec.created_subscriptions.max;
    config.created.defaults.start = to_start(spec.created_subscriptions.start);
    config.created.defaults.delivery = to_delivery(spec.delivery);
    config.created.defaults.dead_letter = to_dead_letter(spec.dead_letter);
  }
  config.paused = spec.paused;
  take_share(config, shares);
  return config;
}

}  // namespace sluice::sidecar
