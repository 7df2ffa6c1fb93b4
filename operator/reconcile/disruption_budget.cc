#include "operator/reconcile/builders.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {

// A pod that is not ready may always be evicted, so a broken shard never blocks a node's drain.
kube::Json build_disruption_budget(const BrokerShape& shape) {
  kube::Json object = new_object(kube::kPodDisruptionBudgets, shape, shape.name);
  object["spec"] = {{"maxUnavailable", 1},
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
                    {"selector", {{"matchLabels", pod_selector(shape.name)}}}};
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
