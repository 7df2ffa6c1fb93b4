#pragma once

#include "base/time.h"
#include "broker/core.h"

// What consumers say about what they were delivered.
namespace sluice::broker {

void settle(Core& core, base::Now now, const Settle& command);
void extend(Core& core, base::Now now, const Extend& command);

}  // namespace sluice::broker
