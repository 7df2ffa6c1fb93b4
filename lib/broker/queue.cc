#include "broker/queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

Queue::Queue(const base::QueueId& id, std::uint64_t revision, StoredConfig stored,
             std::uint64_t& numbers, const SideBooks& side)
    : id_(id), revision_(revision), stored_(std::move(stored)) {
  for (std::uint16_t shard = 0; shard < stored_.config.shards; ++shard) {
    streams_.push_back(std::make_unique<Stream>(
        *this, storage::StreamId{id, base::ShardIndex(shard)}, ++numbers, side));
    for (const base::SubscriptionId subscription : stored_.ids) {
      streams_.back()->add_subscription(subscription, ++numbers, true);
    }
  }
}

void Queue::configure(std::uint64_t revision, StoredConfig stored, std::uint64_t& numbers) {
  CHECK(stored.config.shards == stored_.config.shards);
  const std::vector<base::SubscriptionId> before = std::move(stored_.ids);
  revision_ = revision;
  stored_ = std::move(stored);
  const auto has = [](const std::vector<base::SubscriptionId>& ids, base::SubscriptionId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  for (const auto& stream : streams_) {
    // New ones first: what "all" means is taken from those that were there.
    for (std::size_t i = 0; i < stored_.ids.size(); ++i) {
      if (has(before, stored_.ids[i])) continue;
      const bool all = stored_.config.subscriptions[i].start == StartPosition::kAll;
      stream->add_subscription(stored_.ids[i], ++numbers, all);
    }
    for (const base::SubscriptionId id : before) {
      if (!has(stored_.ids, id)) stream->remove_subscription(id);
    }
  }
  std::erase_if(subscription_totals_,
                [&](const auto& totals) { return !has(stored_.ids, totals.first); });
}

Stream* Queue::stream(base::ShardIndex shard) const {
  return shard.value() < streams_.size() ? streams_[shard.value()].get() : nullptr;
}

std::optional<base::SubscriptionId> Queue::find_subscription(std::string_view name) const {
  for (std::size_t i = 0; i < stored_.ids.size(); ++i) {
    if (stored_.config.subscriptions[i].name == name) return stored_.ids[i];
  }
  return std::nullopt;
}

bool Queue::has_subscription(base::SubscriptionId id) const {
  return std::find(stored_.ids.begin(), stored_.ids.end(), id) != stored_.ids.end();
}

const SubscriptionConfig& Queue::settings(base::SubscriptionId id) const {
  const auto at = std::find(stored_.ids.begin(), stored_.ids.end(), id);
  CHECK(at != stored_.ids.end());
  return stored_.config.subscriptions[static_cast<std::size_t>(at - stored_.ids.begin())];
}

std::string Queue::subscription_names() const {
  std::string names;
  for (const SubscriptionConfig& subscription : stored_.config.subscriptions) {
    if (!names.empty()) names += ", ";
    names += subscription.name;
  }
  return names;
}

std::uint64_t Queue::messages() const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) sum += stream->ledger().messages();
  return sum;
}

std::uint64_t Queue::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) sum += stream->ledger().bytes();
  return sum;
}

std::uint64_t Queue::dead_bytes(base::SubscriptionId id) const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) {
    if (const Subscription* subscription = stream->find(id)) sum += subscription->dead().bytes();
  }
  return sum;
}

}  // namespace sluice::broker
