#pragma once

#include <map>
#include <set>
#include <string>

#include "base/time.h"

namespace sluice::reconcile {

// Since when deletions of one broker's Queues wait for it without hearing it. It goes by the
// process's own monotonic clock and begins with what the process itself has seen: the dates in
// objects are other clocks', which may be a day apart from this one's. A process that takes over
// begins anew. Pure.
class WaitBook {
 public:
  // By uid; for Inputs::waiting_since.
  const std::map<std::string, base::MonoTime>& since() const { return since_; }

  // What the newest plan said (Plan::wait_for_broker): all others wait no more.
  void keep(const std::set<std::string>& waiting, base::MonoTime now);

 private:
  std::map<std::string, base::MonoTime> since_;
};

}  // namespace sluice::reconcile
