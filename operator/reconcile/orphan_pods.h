#pragma once

#include <vector>

#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// Removals of the pods of a broker that has no StatefulSet: that goes without them for volumes to
// grow, and may not have come back before the last Queue went. Nothing else takes them, and they
// hold the volumes. None of pods that are going already. Pure.
// REQUIRES: the StatefulSet is gone, and does not come back before the volumes are.
std::vector<Action> remove_orphan_pods(const Inputs& inputs);

// Whether a pod of the broker has an owner and is not going: then its StatefulSet is there, or went
// a moment ago and takes the pod along. A call that made it may have come late, after it was looked
// for. Pure.
bool has_owned_pod(const Inputs& inputs);

}  // namespace sluice::reconcile
