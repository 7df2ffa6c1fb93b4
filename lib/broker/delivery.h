#pragma once

#include "base/time.h"
#include "broker/core.h"

// Who gets what next.
namespace sluice::broker {

// Delivers what is ready, and dead letters, while somebody has credit, one attachment after the
// other, at most a dozen or so batches. Each batch is a Leased record and a Deliver that waits for
// it. Returns true when more could be delivered at once.
bool deliver(Core& core, base::Now now, Subscription& subscription);

}  // namespace sluice::broker
