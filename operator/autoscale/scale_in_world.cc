#include "operator/autoscale/scale_in_world.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace sluice::autoscale {
namespace {

constexpr std::int32_t kUsualCost = -1'000'000;

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "6f1c...-...": a pod's uid, as far as a name can tell.
bool is_uid(std::string_view text) {
  return text.size() == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' &&
         text[23] == '-';
}

// A consumer that names the uid too names one pod, and not the next of the same name.
bool names_pod(std::string_view consumer, const Pod& pod) {
  const std::string_view name = pod_of_consumer(consumer);
  if (name != pod.name) return false;
  const std::string_view rest = consumer.substr(std::min(consumer.size(), name.size() + 1));
  return !is_uid(rest) || rest == pod.uid;
}

bool is_member(const ScaleInWorld& world, const std::string& queue,
               const std::string& subscription) {
  return std::find(world.members.begin(), world.members.end(), MemberId{queue, subscription}) !=
         world.members.end();
}

}  // namespace

std::vector<BrokerView> views_of(const ScaleInWorld& world, base::MonoTime now) {
  std::vector<BrokerView> views;
  for (const Shard& shard : world.brokers) {
    BrokerView& view = views.emplace_back();
    view.broker = shard.broker;
    view.known = is_known(shard, now);
    if (!view.known) continue;
    view.told_at = shard.told->received_at;
    view.incarnation = shard.told->incarnation;
    for (const link::QueueObservation& queue : shard.told->queues) {
      for (const link::SubscriptionObservation& subscription : queue.subscriptions) {
        for (const link::ConsumerObservation& consumer : subscription.consumers) {
          Holding& holding = view.by_pod[std::string(pod_of_consumer(consumer.name))];
          holding.in_flight += consumer.in_flight;
          holding.cordoned = holding.cordoned && consumer.cordoned;
          ++holding.consumers;
        }
      }
    }
  }
  return views;
}

bool has_unmatched_consumers(const ScaleInWorld& world, base::MonoTime now) {
  const std::vector<Pod>& pods = world.target.pods;
  for (const Shard& shard : world.brokers) {
    if (!is_known(shard, now)) continue;
    for (const link::QueueObservation& queue : shard.told->queues) {
      for (const link::SubscriptionObservation& subscription : queue.subscriptions) {
        if (!is_member(world, queue.name, subscription.name)) continue;
        for (const link::ConsumerObservation& consumer : subscription.consumers) {
          const bool matched = std::any_of(pods.begin(), pods.end(), [&](const Pod& pod) {
            return names_pod(consumer.name, pod);
          });
          if (!matched) return true;
        }
      }
    }
  }
  return false;
}

std::uint64_t ordinal_of(std::string_view pod) {
  const std::size_t dash = pod.rfind('-');
  if (dash == std::string_view::npos) return 0;
  return number_of<std::uint64_t>(pod.substr(dash + 1)).value_or(0);
}

// What a ReplicaSet cannot read counts as 0 there.
std::int32_t cost_in(std::string_view text) { return number_of<std::int32_t>(text).value_or(0); }

std::optional<std::string> own_cost(const Pod& pod) {
  if (!pod.chosen) return pod.deletion_cost;
  return pod.chosen->empty() ? std::nullopt : pod.chosen;
}

std::int32_t cost_to_go(const TargetState& target) {
  std::int32_t lowest = kUsualCost + 1;
  for (const Pod& pod : target.pods) {
    if (const auto own = own_cost(pod)) lowest = std::min(lowest, cost_in(*own));
  }
  return lowest == std::numeric_limits<std::int32_t>::min() ? lowest : lowest - 1;
}

}  // namespace sluice::autoscale
