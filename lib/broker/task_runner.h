#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

// Redrive and purge: work on many messages, done in slices between other commands. A task is a
// record when it begins, after each slice and when it ends, so that a restart goes on where the
// last slice stopped. Messages that came, and dead letters that died, after the command are left
// alone.
namespace sluice::broker {

void start_redrive(Core& core, const Redrive& command);
void start_purge(Core& core, const Purge& command);
void cancel_task(Core& core, const CancelTask& command);

// One slice of each task that is due.
void run_tasks(Core& core, base::Now now, Budget& budget);
// When the next slice is due; nullopt = no task.
std::optional<base::MonoTime> next_slice(const Core& core, base::Now now);

// Tells those who wait for the tasks of a queue that goes away.
void abandon_tasks(Core& core, const Queue& queue);

}  // namespace sluice::broker
