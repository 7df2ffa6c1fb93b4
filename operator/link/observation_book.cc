#include "operator/link/observation_book.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace sluice::link {
namespace {

base::Error nothing_before(std::string_view kind, std::string_view name) {
  return base::invalid_argument("changes: " + std::string(kind) + " \"" + std::string(name) +
                                "\" belongs to nothing in its page");
}

// The entry of that name, made where there is none.
template <typename Map>
typename Map::mapped_type& entry_of(Map& map, std::string_view name) {
  const auto at = map.find(name);
  if (at != map.end()) return at->second;
  return map.try_emplace(std::string(name)).first->second;
}

template <typename Map>
void erase(Map& map, std::string_view name) {
  const auto at = map.find(name);
  if (at != map.end()) map.erase(at);
}

}  // namespace

base::Result<std::optional<BrokerObservation>> ObservationBook::take(const wire::Changes& page) {
  queue_ = nullptr;
  subscription_ = nullptr;
  for (const wire::Change& change : page.changes) {
    RETURN_IF_ERROR(std::visit([this](const auto& one) { return apply(one); }, change));
  }
  if (entries() > kEntriesMax) {
    return base::resource_exhausted("changes: the broker tells of more than " +
                                    std::to_string(kEntriesMax) +
                                    " queues, subscriptions and consumers");
  }
  if (!page.last) return std::optional<BrokerObservation>();
  return std::optional(observation(page));
}

base::Status ObservationBook::apply(const wire::QueueChange& change) {
  queue_ = &entry_of(queues_, change.name);
  subscription_ = nullptr;
  QueueObservation& numbers = queue_->numbers;
  numbers.revision = change.revision;
  numbers.messages = change.messages;
  numbers.bytes = change.bytes;
  numbers.retained = change.retained;
  numbers.published_total = change.published;
  numbers.damaged = change.damaged;
  numbers.paused = change.paused;
  return {};
}

base::Status ObservationBook::apply(const wire::SubscriptionChange& change) {
  if (queue_ == nullptr) return nothing_before("subscription", change.name);
  subscription_ = &entry_of(queue_->subscriptions, change.name);
  subscription_->oldest_ms = change.oldest_ms;
  SubscriptionObservation& numbers = subscription_->numbers;
  numbers.ready = change.ready;
  numbers.in_flight = change.in_flight;
  numbers.delayed = change.delayed;
  numbers.due_delayed = change.due_delayed;
  numbers.dead = change.dead;
  numbers.settled_total = change.settled;
  numbers.redelivered_total = change.redelivered;
  return {};
}

base::Status ObservationBook::apply(const wire::ConsumerChange& change) {
  if (subscription_ == nullptr) return nothing_before("consumer", change.name);
  entry_of(subscription_->consumers, change.name) = {change.in_flight, change.cordoned};
  return {};
}

base::Status ObservationBook::apply(const wire::GoneChange& change) {
  switch (change.kind) {
    case wire::ChangeKind::kSubscriptionGone:
      if (queue_ == nullptr) return nothing_before("subscription", change.name);
      erase(queue_->subscriptions, change.name);
      subscription_ = nullptr;
      return {};
    case wire::ChangeKind::kConsumerGone:
      if (subscription_ == nullptr) return nothing_before("consumer", change.name);
      erase(subscription_->consumers, change.name);
      return {};
    default:
      erase(queues_, change.name);
      queue_ = nullptr;
      subscription_ = nullptr;
      return {};
  }
}

std::size_t ObservationBook::entries() const {
  std::size_t entries = queues_.size();
  for (const auto& [name, queue] : queues_) {
    entries += queue.subscriptions.size();
    for (const auto& [subscription, one] : queue.subscriptions) entries += one.consumers.size();
  }
  return entries;
}

BrokerObservation ObservationBook::observation(const wire::Changes& page) const {
  BrokerObservation all;
  all.revision = page.revision;
  all.leader_epoch = page.leader_epoch;
  all.log_feature_level = page.log_feature_level;
  all.disk_used_bytes = page.disk_used_bytes;
  all.disk_free_bytes = page.disk_free_bytes;
  all.disk_low = page.disk_low;
  all.server_keys = page.server_keys;
  all.sessions_to_move = page.sessions_to_move;
  all.queues.reserve(queues_.size());
  for (const auto& [name, queue] : queues_) {
    QueueObservation& one = all.queues.emplace_back(queue.numbers);
    one.name = name;
    one.subscriptions.reserve(queue.subscriptions.size());
    for (const auto& [subscription_name, subscription] : queue.subscriptions) {
      SubscriptionObservation& numbers = one.subscriptions.emplace_back(subscription.numbers);
      numbers.name = subscription_name;
      if (subscription.oldest_ms != 0) {
        // The broker's clock may have been put back since.
        numbers.oldest_age =
            base::Millis(std::max<std::int64_t>(0, page.now_ms - subscription.oldest_ms));
      }
      numbers.consumers.reserve(subscription.consumers.size());
      for (const auto& [consumer, held] : subscription.consumers) {
        numbers.consumers.push_back({consumer, held.in_flight, held.cordoned});
      }
    }
  }
  return all;
}

}  // namespace sluice::link
