#pragma once

#include <map>
#include <set>
#include <string>

#include "base/time.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// Since when deletions of one broker's Queues wait for it without hearing it. It goes by the
// process's own monotonic clock: the dates in objects are other clocks', which may be a day apart
// from this one's. What other processes have waited is a duration, and the beginning lies back by
// it. Of one leadership: nobody else waits meanwhile. Pure.
class WaitBook {
 public:
  // By uid; for Inputs::waiting_since.
  const std::map<std::string, base::MonoTime>& since() const { return since_; }
  // By uid; for Inputs::heard.
  const std::set<std::string>& heard() const { return heard_; }

  // What the newest plan said: all others wait no more. How long one has waited counts when it is
  // new here. One that was heard stays in heard() while it is waited for.
  void keep(const Plan& plan, base::MonoTime now);
  bool empty() const { return since_.empty() && heard_.empty(); }

 private:
  std::map<std::string, base::MonoTime> since_;
  std::set<std::string> heard_;
};

}  // namespace sluice::reconcile
