#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "operator/autoscale/answers.h"
#include "operator/autoscale/history.h"
#include "operator/autoscale/observation.h"
#include "operator/autoscale/reason.h"

namespace sluice::autoscale {

struct Decision {
  std::uint32_t replicas = 0;  // what the target is to have now
  Reason reason = Reason::kIdle;
  LimitedBy limited_by = LimitedBy::kNothing;
  // When to decide again although nothing is heard; absent = when something is.
  std::optional<base::Millis> next_check;

  Answers answers;  // what was asked for, before bounds and windows
  // Whether everything is known that scale-in needs.
  bool metrics_available = true;
};

// How many replicas a subscription's consumers are to have. Pure: the same arguments, the same
// decision. docs/autoscaling.md has the rules for users:
// * the largest answer wins, within minReplicas and maxReplicas; more is asked for at once;
// * fewer only when fewer were enough during all of `stabilization`, at most `maxPercent` of what
//   there is in one step (at least one replica), and to zero only after `idleBeforeZero`;
// * what is not known is not zero: with some shards known more may be asked for and never fewer,
//   with none the number is held (minReplicas is kept up all the same). So it is while the queue is
//   paused.
Decision decide(const Policy& policy, const Observation& observation, const History& history,
                base::MonoTime now);

}  // namespace sluice::autoscale
