#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

// Redrive, purge, copy and move: work on many messages, done in slices between other commands. A
// task is a record when it begins, after each slice and when it ends, so that a restart goes on
// where the last slice stopped. Messages that came, and dead letters that died, after the command
// are left alone.
namespace sluice::broker {

void start_task(Core& core, const StartTask& command);
void cancel_task(Core& core, const CancelTask& command);

// One slice of each task that is due.
void run_tasks(Core& core, base::Now now, Budget& budget);
// When the next slice is due; nullopt = no task.
std::optional<base::MonoTime> next_slice(const Core& core, base::Now now);

// Ends the tasks of a queue that goes away, and those that carry messages to it, and tells those
// who wait for them.
void abandon_tasks(Core& core, const Queue& queue);

}  // namespace sluice::broker
