#pragma once

#include <cstddef>
#include <optional>

#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// How the pods of a broker come to its pod template. Only what Queues ask for (version, resources)
// is a reason to restart a pod; what another version of the operator would write into the template
// waits for the next restart.
struct Rollout {
  std::size_t outdated = 0;
  std::optional<Remove> restart;  // the pod that is next
};

// `wanted`: the StatefulSet as it was built. One shard at a time, the highest first, and the next
// when all are ready. A pod that is outdated and not ready goes first: no update of the StatefulSet
// mends it.
Rollout plan_rollout(const Inputs& inputs, const kube::Json& wanted);

bool is_pod_ready(const kube::Json& pod);
// The pods of shards 0 to `shards` - 1 that are ready.
std::size_t count_ready(const Inputs& inputs, std::size_t shards);

}  // namespace sluice::reconcile
