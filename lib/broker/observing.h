#pragma once

#include <vector>

#include "base/time.h"
#include "broker/core.h"
#include "broker/picture.h"

namespace sluice::broker {

// All queues, by name. Costs a microsecond or so for each subscription and each attachment.
std::vector<QueuePicture> observe(Core& core, base::Now now);

// What the queue holds, over all of its subscriptions.
QueueHoldings holdings_of(const Queue& queue);

}  // namespace sluice::broker
