#pragma once

#include <vector>

#include "operator/reconcile/broker_shape.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/retained_data.h"

namespace sluice::reconcile {

// Compares what the Queues say about their broker, and says who cannot be acted on and why: sets
// `obstacle` and `standing` of the members. What one Queue leaves open, another may say; where two
// say different things, the earlier one of read_members() is right.
void judge(const Inputs& inputs, const RetainedData& retained, std::vector<Member>& members);

// What the members that are accepted ask for, with what cannot or must not change taken from the
// objects that are there. REQUIRES: judge() was called, and one is accepted.
BrokerShape shape_of(const Inputs& inputs, const std::vector<Member>& members);

}  // namespace sluice::reconcile
