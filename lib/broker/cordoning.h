#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "broker/core.h"

// Consumers that are about to be removed get nothing new.
namespace sluice::broker {

void cordon(Core& core, base::Now now, const Cordon& command);

// Cordons whose time is over: deliveries go on.
void expire_cordons(Core& core, base::Now now);

// Messages that sessions of the pod hold, on all subscriptions; also what was leased before a
// restart, or to a session that has not come back yet.
std::uint64_t held_by_pod(const Core& core, std::string_view pod);

}  // namespace sluice::broker
