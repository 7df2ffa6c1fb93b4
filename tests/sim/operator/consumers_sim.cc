#include "tests/sim/operator/consumers_sim.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "operator/autoscale/scale_in_world.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr const char* kGrace = "sluice.dev/simulated-grace";
constexpr std::uint64_t kHoldsMax = 3;

std::int64_t cost_of(const Json& pod) {
  const std::string text =
      kube::text_in(kube::value_in(pod, {"metadata", "annotations"}), autoscale::kDeletionCost);
  return text.empty() ? 0 : std::stoll(text);
}

bool is_ready(const Json& pod) {
  for (const Json& one : kube::value_in(pod, {"status", "conditions"})) {
    if (kube::text_in(one, "type") == "Ready") return kube::text_in(one, "status") == "True";
  }
  return false;
}

}  // namespace

void ConsumersSim::make_deployments() {
  for (const QueueSlot& slot : slots_) {
    if (slot.target.empty() ||
        store_.find(kube::kDeployments, slot.name_space, slot.target) != nullptr) {
      continue;
    }
    CHECK(store_
              .create({{"apiVersion", "apps/v1"},
                       {"kind", "Deployment"},
                       {"metadata", {{"name", slot.target}, {"namespace", slot.name_space}}},
                       {"spec",
                        {{"replicas", 1}, {"selector", {{"matchLabels", {{"app", slot.target}}}}}}},
                       {"status", {{"replicas", 0}}}})
              .has_value());
  }
}

std::vector<ConsumerPod> ConsumersSim::pods_of(const std::string& name_space,
                                               const std::string& target, bool all) const {
  std::vector<ConsumerPod> pods;
  for (const Json* pod : store_.all(kube::kPods)) {
    if (kube::namespace_of(*pod) != name_space ||
        kube::text_in(kube::value_in(*pod, {"metadata", "labels"}), "app") != target) {
      continue;
    }
    ConsumerPod one;
    one.name = kube::name_of(*pod);
    one.leaves = reconcile::is_being_removed(*pod);
    one.started = kube::text_in(kube::value_in(*pod, {"status"}), "phase") == "Running";
    one.ready = is_ready(*pod);
    one.cost = cost_of(*pod);
    one.order = std::stoull(one.name.substr(one.name.rfind('-') + 1));
    if (all || !one.leaves) pods.push_back(std::move(one));
  }
  return pods;
}

std::vector<ConsumerPod> ConsumersSim::victims(const std::string& name_space,
                                               const std::string& target, std::size_t count) const {
  std::vector<ConsumerPod> pods = pods_of(name_space, target);
  std::sort(pods.begin(), pods.end(), [](const ConsumerPod& a, const ConsumerPod& b) {
    return std::tuple(a.started, a.ready, a.cost, b.order) <
           std::tuple(b.started, b.ready, b.cost, a.order);
  });
  if (pods.size() > count) pods.resize(count);
  return pods;
}

std::uint64_t ConsumersSim::in_flight(const std::string& name_space, const std::string& pod,
                                      const std::set<std::string>& but_at) const {
  std::uint64_t holds = 0;
  for (const QueueSlot& slot : slots_) {
    if (slot.name_space != name_space) continue;
    for (std::size_t shard = 0; shard < slot.shards; ++shard) {
      const std::string broker_pod = reconcile::pod_name(slot.broker, shard);
      const link::QueueObservation* queue =
          but_at.contains(name_space + "/" + broker_pod)
              ? nullptr
              : field_.brokers.queue(name_space, broker_pod, slot.name);
      if (queue == nullptr) continue;
      for (const auto& consumer : queue->subscriptions.front().consumers) {
        if (consumer.name == pod) holds += consumer.in_flight;
      }
    }
  }
  return holds;
}

void ConsumersSim::control_one(const Json& deployment) {
  const std::string name_space = kube::namespace_of(deployment);
  const std::string name = kube::name_of(deployment);
  if (store_.terminating.contains(name_space)) return;
  const auto wanted = static_cast<std::size_t>(deployment["spec"].value("replicas", 1));
  std::vector<ConsumerPod> all = pods_of(name_space, name, true);
  std::size_t live = 0;
  std::size_t ready = 0;
  for (const ConsumerPod& pod : all) {
    if (pod.leaves) {
      if (!prng_.chance(0.3)) continue;  // it has its grace
      store_.change(kube::kPods, name_space, pod.name,
                    [](Json& one) { one["metadata"].erase("finalizers"); });
      continue;
    }
    ++live;
    ready += pod.ready ? 1U : 0U;
    if (pod.ready || !prng_.chance(0.5)) continue;
    store_.change(kube::kPods, name_space, pod.name, [&](Json& one) {
      one["status"] = {
          {"phase", "Running"},
          {"conditions",
           Json::array({{{"type", "Ready"}, {"status", pod.started ? "True" : "False"}}})}};
    });
  }
  if (live > wanted) {
    for (const ConsumerPod& pod : victims(name_space, name, live - wanted)) {
      CHECK(store_.remove({&kube::kPods, name_space, pod.name}, {}, kube::Propagation::kBackground)
                .has_value());
    }
  }
  for (; live < wanted; ++live) {
    CHECK(store_
              .create({{"apiVersion", "v1"},
                       {"kind", "Pod"},
                       {"metadata",
                        {{"name", name + "-h-" + std::to_string(++made_)},
                         {"namespace", name_space},
                         {"finalizers", Json::array({kGrace})},
                         {"labels", {{"app", name}, {"pod-template-hash", "h"}}},
                         {"ownerReferences", Json::array({{{"apiVersion", "apps/v1"},
                                                           {"kind", "ReplicaSet"},
                                                           {"name", name + "-h"},
                                                           {"uid", kube::uid_of(deployment)},
                                                           {"controller", true}}})}}},
                       {"status", {{"phase", "Pending"}}}})
              .has_value());
  }
  store_.change(kube::kDeployments, name_space, name, [&](Json& one) {
    one["status"] = {{"observedGeneration", one["metadata"]["generation"]},
                     {"replicas", wanted},
                     {"updatedReplicas", wanted},
                     {"readyReplicas", ready}};
  });
}

void ConsumersSim::control() {
  std::vector<Json> deployments;
  for (const Json* deployment : store_.all(kube::kDeployments)) deployments.push_back(*deployment);
  for (const Json& deployment : deployments) control_one(deployment);
}

void ConsumersSim::consume_one(const QueueSlot& slot, std::size_t shard) {
  const std::string pod = reconcile::pod_name(slot.broker, shard);
  link::QueueObservation* queue = field_.brokers.queue(slot.name_space, pod, slot.name);
  if (queue == nullptr || queue->subscriptions.empty()) return;
  link::SubscriptionObservation& subscription = queue->subscriptions.front();
  const link::SubscriptionObservation before = subscription;
  const kube::Json* object = store_.find(kube::kPods, slot.name_space, pod);
  const BrokerPlace place{slot.name_space, pod, kube::uid_of(*object)};
  std::map<std::string, ConsumerPod> pods;
  for (ConsumerPod& one : pods_of(slot.name_space, slot.target, true)) pods[one.name] = one;
  std::vector<link::ConsumerObservation> consumers;
  for (link::ConsumerObservation& one : subscription.consumers) {
    const auto found = pods.find(one.name);
    if (found == pods.end() || !found->second.ready) {
      subscription.ready += one.in_flight;
      subscription.in_flight -= one.in_flight;
      continue;
    }
    for (std::uint64_t i = one.in_flight; i > 0; --i) {
      if (!prng_.chance(0.3)) continue;
      --one.in_flight;
      --subscription.in_flight;
      ++subscription.settled_total;
    }
    consumers.push_back(one);
  }
  for (const auto& [name, one] : pods) {
    if (!one.ready || one.leaves) continue;
    auto at = std::find_if(consumers.begin(), consumers.end(),
                           [&](const auto& there) { return there.name == name; });
    if (at == consumers.end()) at = consumers.insert(consumers.end(), {name, 0, false});
    if (field_.is_cordoned(place, name)) continue;
    const std::uint64_t takes =
        std::min<std::uint64_t>(subscription.ready, kHoldsMax - std::min(kHoldsMax, at->in_flight));
    at->in_flight += takes;
    subscription.in_flight += takes;
    subscription.ready -= takes;
  }
  std::sort(consumers.begin(), consumers.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  subscription.consumers = std::move(consumers);
  queue->messages = subscription.ready + subscription.in_flight;
  if (!(before == subscription)) field_.touch();
}

void ConsumersSim::consume() {
  for (const QueueSlot& slot : slots_) {
    if (slot.target.empty()) continue;
    for (std::size_t shard = 0; shard < slot.shards; ++shard) consume_one(slot, shard);
  }
}

}  // namespace sluice::sim
