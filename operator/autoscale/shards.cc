#include "operator/autoscale/shards.h"

#include <algorithm>
#include <set>

#include "operator/link/broker_link.h"

namespace sluice::autoscale {
namespace {

template <typename Named>
const Named* find_named(const std::vector<Named>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

bool is_known(const Shard& shard, base::MonoTime now) {
  return shard.told && elapsed(shard.told->received_at, now) <= link::kStaleAfter;
}

std::string_view pod_of_consumer(std::string_view consumer) {
  return consumer.substr(0, consumer.find('/'));
}

Backlog backlog_of(std::string_view queue, std::string_view subscription,
                   std::span<const Shard> shards, base::MonoTime now) {
  Backlog sum;
  std::size_t known = 0;
  std::set<std::string_view> busy;
  for (const Shard& shard : shards) {
    if (!is_known(shard, now)) continue;
    const link::QueueObservation* of_queue = find_named(shard.told->queues, queue);
    if (of_queue == nullptr) continue;
    const link::SubscriptionObservation* one = find_named(of_queue->subscriptions, subscription);
    if (one == nullptr) continue;
    ++known;
    sum.paused = sum.paused || of_queue->paused;
    sum.ready += one->ready;
    sum.in_flight += one->in_flight;
    sum.due_delayed += one->due_delayed;
    sum.settled_total = sum.settled_total.value_or(0) + one->settled_total;
    // Incarnations only rise, so that their sum changes whenever one of them does.
    sum.counted_since += shard.told->incarnation;
    if (one->oldest_age) {
      const base::Millis age = *one->oldest_age + elapsed(shard.told->received_at, now);
      sum.oldest_age = std::max(sum.oldest_age.value_or(age), age);
    }
    for (const link::ConsumerObservation& consumer : one->consumers) {
      if (consumer.in_flight > 0) busy.insert(pod_of_consumer(consumer.name));
    }
  }
  sum.busy_replicas = static_cast<std::uint32_t>(busy.size());
  if (known > 0) sum.coverage = known == shards.size() ? Coverage::kAll : Coverage::kSome;
  return sum;
}

}  // namespace sluice::autoscale
