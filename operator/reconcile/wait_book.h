#pragma once

#include <map>
#include <string>

#include "base/time.h"

namespace sluice::reconcile {

// Since when deletions of one broker's Queues wait for it without hearing it. It goes by the
// process's own monotonic clock: the dates in objects are other clocks', which may be a day apart
// from this one's. What other processes have waited is a duration, and the beginning lies back by
// it. Pure.
class WaitBook {
 public:
  // By uid; for Inputs::waiting_since.
  const std::map<std::string, base::MonoTime>& since() const { return since_; }

  // What the newest plan said (Plan::wait_for_broker): all others wait no more. How long one has
  // waited counts when it is new here.
  void keep(const std::map<std::string, base::Millis>& waiting, base::MonoTime now);

 private:
  std::map<std::string, base::MonoTime> since_;
};

}  // namespace sluice::reconcile
