#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/time.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/plan.h"
#include "operator/reconcile/retained_data.h"

namespace sluice::reconcile {

// A broker that cannot be asked holds the deletion of a Queue up for so long; then the Queue goes,
// and its messages stay.
inline constexpr base::Millis kDeletionPatience{5 * 60'000};

struct DeletionPlan {
  std::vector<Action> actions;
  bool releases = false;  // the finalizer goes with this plan
  std::optional<Obstacle> obstacle;
  std::optional<base::Millis> again;
};

// What the deletion of one Queue takes. `others`: whether another Queue goes on using the broker.
// REQUIRES: member.standing is kLeaving.
DeletionPlan plan_deletion(const Inputs& inputs, const Member& member, bool others,
                           const RetainedData& retained, std::size_t shard_count);

// Lets the Queue go without looking at anything, because its namespace goes too.
std::vector<Action> release_with_namespace(const Inputs& inputs, const Member& member);

}  // namespace sluice::reconcile
