#include "operator/reconcile/orphan_pods.h"

#include <algorithm>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {
namespace {

// Those that are not going. By name: anybody may label a pod of his own.
std::vector<const Json*> staying_pods(const Inputs& inputs) {
  std::vector<const Json*> pods;
  for (std::size_t shard = 0; shard < kShardsMax; ++shard) {
    const Json* pod = inputs.live.find(kube::kPods, pod_name(inputs.broker, shard));
    if (pod != nullptr && !is_being_removed(*pod)) pods.push_back(pod);
  }
  return pods;
}

bool has_owner(const Json& object) {
  const Json* owners = find_at(object, {"metadata", "ownerReferences"});
  return owners != nullptr && !owners->empty();
}

}  // namespace

std::vector<Action> remove_orphan_pods(const Inputs& inputs) {
  std::vector<Action> removals;
  for (const Json* pod : staying_pods(inputs)) {
    if (has_owner(*pod)) continue;
    removals.emplace_back(Remove{{&kube::kPods, inputs.name_space, kube::name_of(*pod)},
                                 {kube::uid_of(*pod), kube::resource_version_of(*pod)},
                                 kube::Propagation::kBackground});
  }
  return removals;
}

bool has_owned_pod(const Inputs& inputs) {
  const std::vector<const Json*> pods = staying_pods(inputs);
  return std::any_of(pods.begin(), pods.end(), [](const Json* pod) { return has_owner(*pod); });
}

}  // namespace sluice::reconcile
