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

// A broker that cannot be asked holds the deletion of a Queue up for so long, counted since it was
// last heard (WaitBook); then the Queue goes, and its messages stay.
inline constexpr base::Millis kDeletionPatience{5 * 60'000};

// Who takes over goes on counting from what is noted on the Queue (wait_note.h): so often, and by a
// process that is stopped in order. One that dies before has added nothing, and of another one's
// waiting less than that is lost.
inline constexpr base::Millis kWaitNotedEvery{10'000};

struct DeletionPlan {
  std::vector<Action> actions;
  bool releases = false;  // the finalizer goes with this plan
  std::optional<Obstacle> obstacle;
  std::optional<base::Millis> again;
  // Where it waits for a broker that is not heard: for how long so far, with what other processes
  // have noted.
  std::optional<base::Millis> waited;
  bool heard = false;  // it needs not wait: the broker is heard
};

// What a deletion depends on besides the Queue and the inputs.
struct DeletionScene {
  bool others = false;  // another Queue goes on using the broker
  std::size_t shards = 0;
  // The plan writes the ConfigMap with the settings before this deletion comes to its turn.
  bool settings_written = false;
};

// What the deletion of one Queue takes. REQUIRES: member.standing is kLeaving.
DeletionPlan plan_deletion(const Inputs& inputs, const Member& member, const DeletionScene& scene,
                           const RetainedData& retained);

// Lets the Queue go without looking at anything, because its namespace goes too.
std::vector<Action> release_with_namespace(const Inputs& inputs, const Member& member);

}  // namespace sluice::reconcile
