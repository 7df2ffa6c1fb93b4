#include <string>

#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "tests/sim/operator/users_sim.h"

// What people do who should not.
namespace sluice::sim {

using kube::Json;

void UsersSim::meddle_with_pods(const QueueSlot& slot) {
  const std::string pod = reconcile::pod_name(slot.broker, prng_.below(slot.shards));
  if (prng_.chance(0.6)) {
    loop_.note("somebody deletes Pod " + pod);
    store_.erase(kube::kPods, slot.name_space, pod);
    return;
  }
  if (store_.find(kube::kStatefulSets, slot.name_space, slot.broker) == nullptr) return;
  if (prng_.chance(0.5)) {
    loop_.note("somebody deletes StatefulSet " + slot.broker);
    store_.erase(kube::kStatefulSets, slot.name_space, slot.broker);
    return;
  }
  loop_.note("somebody scales StatefulSet " + slot.broker);
  store_.change(kube::kStatefulSets, slot.name_space, slot.broker,
                [&](Json& one) { one["spec"]["replicas"] = prng_.below(slot.shards + 1); });
}

void UsersSim::meddle_with_objects(const QueueSlot& slot) {
  const std::string config = reconcile::queues_config_name(slot.broker);
  const std::string secret = reconcile::access_secret_name(slot.broker);
  const auto erase = [&](const kube::ResourceType& type, const std::string& name) {
    loop_.note("somebody deletes " + std::string(type.kind) + " " + name);
    store_.erase(type, slot.name_space, name);
  };
  switch (prng_.below(11)) {
    case 0:
      return erase(kube::kServices, slot.broker);
    case 1:
      return erase(kube::kConfigMaps, config);
    case 6:
      return erase(kube::kServices, reconcile::shards_service_name(slot.broker));
    case 7:
      return erase(kube::kPodDisruptionBudgets, slot.broker);
    case 8:
      return erase(kube::kServiceAccounts, slot.broker);
    case 9:
      if (store_.find(kube::kServices, slot.name_space, slot.broker) == nullptr) return;
      loop_.note("somebody edits Service " + slot.broker);
      return store_.change(kube::kServices, slot.name_space, slot.broker,
                           [](Json& one) { one["spec"]["ports"] = Json::array(); });
    case 10:
      if (store_.find(kube::kConfigMaps, slot.name_space, config) == nullptr) return;
      loop_.note("somebody takes the owners of ConfigMap " + config + " away");
      return store_.change(kube::kConfigMaps, slot.name_space, config,
                           [](Json& one) { one["metadata"].erase("ownerReferences"); });
    case 2:
      if (store_.find(kube::kConfigMaps, slot.name_space, config) == nullptr) return;
      loop_.note("somebody edits ConfigMap " + config);
      return store_.change(kube::kConfigMaps, slot.name_space, config,
                           [&](Json& one) { one["data"].erase(slot.name + ".json"); });
    case 3:
      loop_.note("somebody deletes Secret " + secret);
      checks_.keys_meddled(kube::ObjectRef{&kube::kSecrets, slot.name_space, secret}.to_string());
      return store_.erase(kube::kSecrets, slot.name_space, secret);
    case 4:
      if (slot.target.empty()) return;
      loop_.note("somebody scales Deployment " + slot.target);
      checks_.target_meddled(slot.target);
      return store_.change(kube::kDeployments, slot.name_space, slot.target, [&](Json& one) {
        one["spec"]["replicas"] = prng_.below(slot.max_replicas + 1);
      });
    default:
      if (store_.find(kube::kNetworkPolicies, slot.name_space, slot.broker) == nullptr) return;
      loop_.note("somebody edits NetworkPolicy " + slot.broker);
      return store_.change(kube::kNetworkPolicies, slot.name_space, slot.broker,
                           [](Json& one) { one["spec"]["ingress"] = Json::array(); });
  }
}

// An object of a name that a broker wants, before there is that broker.
void UsersSim::make_foreign(const QueueSlot& slot) {
  const kube::ObjectRef ref{&kube::kServices, slot.name_space, slot.broker};
  for (const QueueSlot& other : slots_) {
    if (other.broker == slot.broker && queue_of(other) != nullptr) return;
  }
  if (store_.find(*ref.type, ref.name_space, ref.name) != nullptr ||
      store_.find(kube::kStatefulSets, ref.name_space, ref.name) != nullptr) {
    return;
  }
  loop_.note("somebody makes " + ref.to_string());
  checks_.foreign(ref);
  CHECK(store_
            .create({{"apiVersion", "v1"},
                     {"kind", "Service"},
                     {"metadata", {{"name", ref.name}, {"namespace", ref.name_space}}},
                     {"spec", {{"selector", {{"app", "theirs"}}}}}})
            .has_value());
}

void UsersSim::meddle() {
  const QueueSlot& slot = any_slot();
  switch (prng_.below(8)) {
    case 0:
    case 1:
    case 2:
      return meddle_with_pods(slot);
    case 3: {
      const Json* queue = queue_of(slot);
      if (queue == nullptr || !reconcile::is_being_removed(*queue)) {
        return;
      }
      loop_.note("somebody removes the finalizer of Queue " + slot.name);
      return store_.change(kube::kQueues, slot.name_space, slot.name,
                           [](Json& one) { one["metadata"].erase("finalizers"); });
    }
    case 4:
      return make_foreign(slot);
    default:
      return meddle_with_objects(slot);
  }
}

void UsersSim::rival(const QueueSlot& slot) {
  if (slot.target.empty()) return;
  const kube::ResourceType& type = kube::kHorizontalPodAutoscalers;
  const bool ends = store_.find(type, slot.name_space, slot.target) != nullptr;
  loop_.note("somebody " + std::string(ends ? "removes" : "makes") +
             " a HorizontalPodAutoscaler for " + slot.target);
  if (ends) return store_.erase(type, slot.name_space, slot.target);
  CHECK(store_
            .create({{"apiVersion", type.api_version()},
                     {"kind", type.kind},
                     {"metadata", {{"name", slot.target}, {"namespace", slot.name_space}}},
                     {"spec",
                      {{"scaleTargetRef",
                        {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", slot.target}}},
                       {"minReplicas", 1},
                       {"maxReplicas", slot.max_replicas}}}})
            .has_value());
}

void UsersSim::rivals_scale() {
  for (const QueueSlot& slot : slots_) {
    if (slot.target.empty() || !prng_.chance(0.2)) continue;
    if (store_.find(kube::kHorizontalPodAutoscalers, slot.name_space, slot.target) == nullptr ||
        store_.find(kube::kDeployments, slot.name_space, slot.target) == nullptr) {
      continue;
    }
    checks_.target_meddled(slot.target);
    store_.change(kube::kDeployments, slot.name_space, slot.target,
                  [&](Json& one) { one["spec"]["replicas"] = 1 + prng_.below(slot.max_replicas); });
  }
}

}  // namespace sluice::sim
