#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

// What a queue with `retention` lets go of: messages older than its time, and the oldest of all
// shards while it has more bytes than it may. Leased messages stay until they are not.
namespace sluice::broker {

// Drops what is due, in slices; stops when the budget is spent.
void drop_retained(Core& core, base::Now now, Budget& budget);

// When drop_retained() has something to do for the stream; nullopt = not before the next message.
std::optional<base::WallTime> retention_due(const Stream& stream);

}  // namespace sluice::broker
