#pragma once

#include <string>

#include "kube/json.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// The name of the broker that a Queue, as the API server has it, wants to live on: spec.broker.name
// or its own name. Whatever else is wrong with it.
std::string broker_of(const kube::Json& queue);

// What is to be done so that the cluster and the brokers are as the Queues of one broker ask for.
// Pure. Empty where all is as it should be.
//
// Level-based: it looks at what is there, not at what happened. A plan that was cut off after any
// of its actions leads, with the inputs of then, to the same end. Nothing in a plan destroys
// messages except the removal of a queue or of a volume under deletionPolicy Delete or
// DeleteIfEmpty.
Plan reconcile(const Inputs& inputs);

}  // namespace sluice::reconcile
