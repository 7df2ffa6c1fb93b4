#pragma once

#include "broker/core.h"
#include "broker/task_transfer.h"
#include "broker/ticking.h"

namespace sluice::broker {

// Looks at the next stretch of a task and acts on what the selector matches; of a dry run, counts
// it only. Moves task.position, key, matched and done on; the caller writes them down. `is_end` of
// the result is that of the task.
Slice slice(Core& core, base::Now now, Task& task, DryRun* dry, Budget& budget);

}  // namespace sluice::broker
