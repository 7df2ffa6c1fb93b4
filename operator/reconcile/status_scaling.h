#pragma once

#include "operator/reconcile/conditions.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"

namespace sluice::reconcile {

// The condition ScalingActive: of all subscriptions of the Queue that have consumers; none of it
// where no one has.
void set_scaling(const Inputs& inputs, const Member& member, Conditions& conditions);

}  // namespace sluice::reconcile
