#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/reconcile/broker_shape.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// How the volumes of a broker get to the size that is asked for. A StatefulSet's claim templates
// cannot change, so: each claim is patched, then the StatefulSet is removed without its pods
// (Orphan), and made again with the larger template; it takes the pods back.
struct GrowthPlan {
  std::vector<Action> actions;
  // To be tried when everything else is done, since it is not known whether the class allows it:
  // the API server refuses if not.
  std::vector<Action> last_actions;
  bool in_progress = false;
  bool replaces_set = false;  // the StatefulSet goes with this plan: nothing is applied to it
  // Of Queues that ask for a size which cannot be had.
  std::optional<Obstacle> obstacle;
};

// `asked`: spec.broker.storage.size, if a Queue has it. What nobody asked for in so many words
// grows where it can, and is no obstacle where it cannot.
GrowthPlan plan_volume_growth(const Inputs& inputs, const BrokerShape& shape,
                              std::optional<std::uint64_t> asked);

}  // namespace sluice::reconcile
