#include "operator/reconcile/rate_meter.h"

namespace sluice::reconcile {

void RateMeter::observe(std::size_t shard, const link::BrokerObservation& observation) {
  Shard& at = shards_[shard];
  if (at.incarnation != observation.incarnation) at = {observation.incarnation, {}};
  Sample sample{observation.received_at, {}};
  for (const link::QueueObservation& queue : observation.queues) {
    Counters& counters = sample.queues[queue.name];
    counters.published = queue.published_total;
    for (const link::SubscriptionObservation& one : queue.subscriptions) {
      counters.settled += one.settled_total;
    }
  }
  const std::int64_t every = base::Nanos(kSampleEvery).count();
  const std::int64_t window = base::Nanos(kWindow).count();
  std::deque<Sample>& samples = at.samples;
  // The newest is replaced until it is far enough from the one before it.
  if (samples.size() > 1 && samples.back().time - samples[samples.size() - 2].time < every) {
    samples.pop_back();
  }
  samples.push_back(std::move(sample));
  while (samples.size() > 2 && samples.back().time - samples[1].time >= window) {
    samples.pop_front();
  }
}

std::map<std::string, Rates> RateMeter::rates() const {
  std::map<std::string, Rates> rates;
  for (const auto& [index, shard] : shards_) {
    if (shard.samples.size() < 2) continue;
    const Sample& first = shard.samples.front();
    const Sample& last = shard.samples.back();
    const double seconds =
        std::chrono::duration<double>(base::Nanos(last.time - first.time)).count();
    if (seconds <= 0) continue;
    for (const auto& [name, counters] : last.queues) {
      const auto before = first.queues.find(name);
      if (before == first.queues.end() || counters.published < before->second.published ||
          counters.settled < before->second.settled) {
        continue;
      }
      Rates& rate = rates[name];
      rate.in_per_second +=
          static_cast<double>(counters.published - before->second.published) / seconds;
      rate.out_per_second +=
          static_cast<double>(counters.settled - before->second.settled) / seconds;
    }
  }
  return rates;
}

}  // namespace sluice::reconcile
