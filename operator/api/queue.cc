#include "operator/api/queue.h"

#include <algorithm>

#include "operator/api/field_limits.h"

namespace sluice::api {
namespace {

constexpr std::uint64_t kStorageDefault = 10 * kGiB;

}  // namespace

std::uint64_t storage_bytes_needed(const QueueSpec& spec) {
  std::uint64_t filled = std::max(spec.limits.bytes, spec.retention.bytes);
  for (const Subscription& one : spec.subscriptions) filled += one.dead_letter.bytes;
  if (spec.subscription_policy == SubscriptionPolicy::kAllowCreate) {
    filled += spec.created_subscriptions.max * spec.dead_letter.bytes;
  }
  // The limits of the fields (a pebibyte each, 64 subscriptions) keep this far from overflow.
  constexpr std::uint64_t kPercentFilled = 100;
  return (filled * kPercentFilled + kStoragePercentMax - 1) / kStoragePercentMax;
}

std::uint64_t storage_bytes(const QueueSpec& spec) {
  if (spec.broker.storage.size) return *spec.broker.storage.size;
  const std::uint64_t needed = (storage_bytes_needed(spec) + kGiB - 1) / kGiB * kGiB;
  return std::max(kStorageDefault, needed);
}

}  // namespace sluice::api
