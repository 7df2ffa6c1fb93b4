#pragma once

#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/sim/sim_main.h"

namespace sluice::sim {

// What goes wrong in a run, and how often. Each kind exists in a run or does not (everything at
// once finds less); 0 = never. Of a call, unless another unit is said.
struct FaultOptions {
  // replies
  double request_lost = 0;  // the connection broke before the server saw it
  double reply_lost = 0;    // it was carried out
  double request_late = 0;  // carried out after the client gave up
  // overload
  double too_many = 0;     // 429, mostly with Retry-After
  double unavailable = 0;  // 503
  double internal = 0;     // 500, 502, 504; half of them carried out
  double slow = 0;         // takes seconds
  // conflicts
  double conflict = 0;  // 409 without a reason that anyone sees
  // watches, of an event
  double watch_closed = 0;
  double watch_broken = 0;
  double watch_expired = 0;  // 410 as an event
  double watch_repeats = 0;
  double watch_skips = 0;        // an event; the watch ends with 410
  double history_forgotten = 0;  // a second
  // stale, a second
  double cache_held = 0;
  double caches_held = 0;  // all of a replica at once
  // crash
  double crash_at_call = 0;
  double crash = 0;  // a second
  double stop = 0;   // in order, a second
  // pause, a second
  double pause = 0;
  // cut, a second
  double cut = 0;  // one operator reaches no API server for a while
  // lease, a second
  double lease_stolen = 0;
  double lease_deleted = 0;
  // clock, a second
  double clock_step = 0;
  // apart
  bool clocks_apart = false;  // each operator's date is another one, for as long as it runs
  // second
  bool second_operator = false;
  // brokers
  double broker_silent = 0;   // a second: unreachable for a while
  double broker_restart = 0;  // a second
  double link_call_lost = 0;  // of a call to a broker: carried out or not
  double link_call_slow = 0;
  // hands, a second
  double meddling = 0;
  // rival, a second
  double rival = 0;  // another autoscaler takes, or leaves, what consumes
  // namespace, a second
  double namespace_ends = 0;

  std::vector<std::string> names() const;
};

const std::vector<Choice>& fault_choices();
FaultOptions draw_faults(base::Prng& prng, const Request& request);

}  // namespace sluice::sim
