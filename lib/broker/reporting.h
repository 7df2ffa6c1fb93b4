#pragma once

#include "base/time.h"
#include "broker/core.h"
#include "broker/stats.h"

namespace sluice::broker {

// The broker as metrics show it. Costs a few lookups a subscription: counts are kept as things
// happen.
BrokerStats report(Core& core, base::Now now);

}  // namespace sluice::broker
