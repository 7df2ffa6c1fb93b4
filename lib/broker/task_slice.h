#pragma once

#include "broker/core.h"
#include "broker/ticking.h"

namespace sluice::broker {

// Looks at the next stretch of a task and acts on what the selector matches (`dry`: only counts).
// Moves task.position, key, matched and done on; the caller writes them down. Returns true when the
// task has reached its end.
bool slice(Core& core, Task& task, bool dry, Budget& budget);

}  // namespace sluice::broker
