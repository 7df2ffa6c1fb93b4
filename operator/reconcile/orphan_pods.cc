#include "operator/reconcile/orphan_pods.h"

#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {

std::vector<Action> remove_orphan_pods(const Inputs& inputs) {
  std::vector<Action> removals;
  // By name: anybody may label a pod of his own.
  for (std::size_t shard = 0; shard < kShardsMax; ++shard) {
    const Json* pod = inputs.live.find(kube::kPods, pod_name(inputs.broker, shard));
    if (pod == nullptr || is_being_removed(*pod)) continue;
    const Json* owners = find_at(*pod, {"metadata", "ownerReferences"});
    if (owners != nullptr && !owners->empty()) continue;
    removals.emplace_back(Remove{{&kube::kPods, inputs.name_space, kube::name_of(*pod)},
                                 {kube::uid_of(*pod), kube::resource_version_of(*pod)},
                                 kube::Propagation::kBackground});
  }
  return removals;
}

}  // namespace sluice::reconcile
