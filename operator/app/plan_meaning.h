#pragma once

#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

// What a plan amounts to, for whoever carries it out. Pure.
namespace sluice::op {

// Whether it tells a Queue that it is Stalled.
bool is_stalled(const reconcile::Plan& plan);
// Whether it takes the finalizer of a Queue.
bool lets_go(const reconcile::Plan& plan, const reconcile::Inputs& inputs);
// Whether it sets the finalizer of a Queue, which is the first thing that is done for one.
bool takes_up(const reconcile::Plan& plan, const reconcile::Inputs& inputs);
// Whether it removes a volume.
bool takes_volumes(const reconcile::Plan& plan);

}  // namespace sluice::op
