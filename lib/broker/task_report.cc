#include "broker/task_report.h"

#include <algorithm>
#include <cstddef>
#include <deque>

namespace sluice::broker {

namespace {

constexpr std::size_t kEndedTasksMax = 20;

}  // namespace

TaskStats describe_task(const Core& core, const Queue& queue, const Task& task,
                        storage::TaskState state) {
  TaskStats stats;
  stats.id = task.id;
  stats.kind = task.kind;
  stats.state = state;
  stats.dead_letters = task.plan.dead_letters;
  stats.rate_per_second_max = task.plan.rate_per_second_max;
  stats.matched = task.matched;
  stats.done = task.done;
  if (const Queue* target = core.state.queue(task.plan.target)) stats.target = target->name();
  const auto waits = core.task_waits.find(task.id);
  if (waits != core.task_waits.end()) stats.waits_for = waits->second;
  if (task.plan.all_subscriptions) return stats;
  const std::vector<base::SubscriptionId>& ids = queue.stored().ids;
  const auto at = std::find(ids.begin(), ids.end(), task.key.subscription);
  if (at != ids.end()) {
    const auto index = static_cast<std::size_t>(at - ids.begin());
    stats.subscription = queue.config().subscriptions[index].name;
  }
  return stats;
}

void keep_ended(Core& core, const Queue& queue, const Task& task, storage::TaskState state) {
  std::deque<TaskStats>& ended = core.ended_tasks[queue.id()];
  ended.push_front(describe_task(core, queue, task, state));
  if (ended.size() > kEndedTasksMax) ended.pop_back();
}

std::vector<TaskStats> tasks_of(const Core& core, const Queue& queue) {
  std::vector<TaskStats> tasks;
  for (const auto& [id, task] : core.state.tasks) {
    if (task.key.stream.queue != queue.id()) continue;
    tasks.push_back(describe_task(core, queue, task, storage::TaskState::kRunning));
  }
  const auto ended = core.ended_tasks.find(queue.id());
  if (ended != core.ended_tasks.end()) {
    tasks.insert(tasks.end(), ended->second.begin(), ended->second.end());
  }
  return tasks;
}

}  // namespace sluice::broker
