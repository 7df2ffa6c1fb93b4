#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

namespace sluice::broker {

// Answers a Peek: messages that wait (ready or delayed, not leased), or dead letters, by sequence.
// What has to be brought in first is waited for: ticks go on.
void peek(Core& core, base::Now now, const Peek& command);
void go_on_peeking(Core& core, base::Now now, Budget& budget);
// nullopt = none waits.
std::optional<base::MonoTime> next_peek(const Core& core);

}  // namespace sluice::broker
