#include "broker/state.h"

namespace sluice::broker {

Queue* State::queue(const base::QueueId& id) const {
  const auto found = queues.find(id);
  return found == queues.end() ? nullptr : found->second.get();
}

Queue* State::queue(std::string_view name) const {
  for (const auto& [id, queue] : queues) {
    if (queue->name() == name) return queue.get();
  }
  return nullptr;
}

Stream* State::stream(const storage::StreamId& id) const {
  const Queue* found = queue(id.queue);
  return found == nullptr ? nullptr : found->stream(id.shard);
}

Subscription* State::subscription(const storage::SubscriptionKey& key) const {
  const Stream* found = stream(key.stream);
  return found == nullptr ? nullptr : found->find(key.subscription);
}

}  // namespace sluice::broker
