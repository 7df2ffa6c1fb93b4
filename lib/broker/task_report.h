#pragma once

#include <vector>

#include "broker/core.h"
#include "broker/stats.h"

// What statistics say of a queue's tasks.
namespace sluice::broker {

TaskStats describe_task(const Core& core, const Queue& queue, const Task& task,
                        storage::TaskState state);
// Keeps the outcome for statistics: the last kEndedTasksMax of a queue, until the process ends.
void keep_ended(Core& core, const Queue& queue, const Task& task, storage::TaskState state);
// Those that run, then those that ended, the latest first.
std::vector<TaskStats> tasks_of(const Core& core, const Queue& queue);

}  // namespace sluice::broker
