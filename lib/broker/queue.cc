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
    streams_.back()->set_retaining(stored_.config.retention.keeps());
  }
  add_subscriptions({}, numbers);
}

// Those that are not in `before`. What the queue still has is taken from those that are there.
void Queue::add_subscriptions(const std::vector<base::SubscriptionId>& before,
                              std::uint64_t& numbers) {
  for (const auto& stream : streams_) {
    for (std::size_t i = 0; i < stored_.ids.size(); ++i) {
      const base::SubscriptionId id = stored_.ids[i];
      if (std::find(before.begin(), before.end(), id) != before.end()) continue;
      const bool all = stored_.config.subscriptions[i].start != StartPosition::kNew;
      base::Sequence begin = all ? base::Sequence(1) : stream->next();
      if (const auto place = stored_.begins.find(id); place != stored_.begins.end()) {
        begin = std::clamp(place->second[stream->id().shard.value()], begin, stream->next());
      }
      stream->add_subscription(id, ++numbers, begin);
    }
  }
  stored_.begins.clear();
}

void Queue::configure(std::uint64_t revision, StoredConfig stored, std::uint64_t& numbers) {
  CHECK(stored.config.shards == stored_.config.shards);
  const std::vector<base::SubscriptionId> before = std::move(stored_.ids);
  revision_ = revision;
  stored_ = std::move(stored);
  const auto has = [](const std::vector<base::SubscriptionId>& ids, base::SubscriptionId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  for (const auto& stream : streams_) stream->set_retaining(stored_.config.retention.keeps());
  add_subscriptions(before, numbers);
  for (const auto& stream : streams_) {
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

std::uint64_t Queue::dead_messages(base::SubscriptionId id) const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) {
    if (const Subscription* subscription = stream->find(id)) sum += subscription->dead().count();
  }
  return sum;
}

std::uint64_t Queue::retained_messages() const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) {
    if (const Retained* retained = stream->retained()) sum += retained->sizes().messages();
  }
  return sum;
}

std::uint64_t Queue::retained_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_) {
    if (const Retained* retained = stream->retained()) sum += retained->sizes().bytes();
  }
  return sum;
}

}  // namespace sluice::broker
