#include "broker/task_runner.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/task_report.h"
#include "broker/task_slice.h"

namespace sluice::broker {

namespace {

storage::TaskFact fact_of(const Task& task, storage::TaskState state) {
  storage::TaskFact fact;
  fact.task = task.id;
  fact.kind = task.kind;
  fact.state = state;
  fact.key = task.key;
  fact.matched = task.matched;
  fact.done = task.done;
  fact.position = task.position;
  fact.selector = encode_plan(task.plan);
  return fact;
}

void refuse(Core& core, const Origin& origin, const base::TaskId& task, Refusal refusal) {
  TaskReply reply;
  reply.origin = origin;
  reply.refusal = std::move(refusal);
  reply.task = task;
  reply.state = storage::TaskState::kFailed;
  core.effects.emit(Wait{}, std::move(reply));
}

TaskReply reply_of(const Origin& origin, const Task& task, storage::TaskState state) {
  TaskReply reply;
  reply.origin = origin;
  reply.task = task.id;
  reply.state = state;
  reply.matched = task.matched;
  reply.done = task.done;
  return reply;
}

// Where a task on `queue` begins; `name` empty = all subscriptions where that is allowed.
Refusal aim(const Core& core, const base::QueueId& id, const std::string& name, Task& task) {
  const Queue* queue = core.state.queue(id);
  if (queue == nullptr) {
    return {RefusalCode::kUnknownQueue, "no queue with id " + id.to_hex()};
  }
  task.key.stream.queue = id;
  task.position = base::Sequence(1);
  for (const auto& stream : queue->streams()) task.plan.ends.push_back(stream->next());
  if (task.plan.all_subscriptions) {
    task.key.subscription = queue->stored().ids.front();
    return {};
  }
  const auto subscription = queue->find_subscription(name);
  if (!subscription) {
    return {RefusalCode::kUnknownSubscription,
            "queue " + queue->name() + " has no subscription " + name +
                "; declared are: " + queue->subscription_names()};
  }
  task.key.subscription = *subscription;
  return {};
}

// While a task goes on, whoever asked for it hears of it this often.
constexpr base::Nanos kTellEvery = std::chrono::milliseconds(500);

// Whoever asked knows the task from here on, and that it lives on without them.
void begin(Core& core, const Task& task, const Origin& origin) {
  constexpr auto kRunning = storage::TaskState::kRunning;
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  core.task_origins[task.id] = origin;
  const base::Lsn end = core.record(fact_of(task, kRunning), queue.syncs());
  core.effects.emit(Core::wait_for(queue, end), reply_of(origin, task, kRunning));
}

// Asked for again with the same id: the answers go to the one who asked last.
void join(Core& core, const base::TaskId& id, const Origin& origin) {
  const Task& task = core.state.tasks.at(id);
  core.task_origins[id] = origin;
  core.effects.emit(Wait{}, reply_of(origin, task, storage::TaskState::kRunning));
}

// Two tasks on one queue would undo each other's work.
Refusal check_idle(const Core& core, const base::QueueId& queue) {
  for (const auto& [id, task] : core.state.tasks) {
    if (task.key.stream.queue != queue) continue;
    const char* kind = task.kind == storage::TaskKind::kRedrive ? "redrive " : "purge ";
    return {RefusalCode::kTaskRunning,
            kind + id.to_hex() + " of this queue is running: wait, or cancel it"};
  }
  return {};
}

void forget(Core& core, const base::TaskId& id) {
  core.task_turns.erase(id);
  core.task_told.erase(id);
}

// After a slice: its progress, or its end with the answer.
void note_progress(Core& core, base::Now now, const Task& task, bool is_done) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  const auto state = is_done ? storage::TaskState::kCompleted : storage::TaskState::kRunning;
  const base::Lsn end = core.record(fact_of(task, state), queue.syncs());
  if (is_done) {
    forget(core, task.id);
    keep_ended(core, queue, task, state);
  }
  const auto origin = core.task_origins.find(task.id);
  if (origin == core.task_origins.end()) return;  // began before a restart
  if (!is_done) {
    const base::MonoTime told = core.task_told.try_emplace(task.id, now.mono).first->second;
    if (now.mono < told + kTellEvery) return;
    core.task_told[task.id] = now.mono;
  }
  core.effects.emit(Core::wait_for(queue, end), reply_of(origin->second, task, state));
  if (is_done) core.task_origins.erase(origin);
}

void run_slice(Core& core, base::Now now, const base::TaskId& id, Budget& budget) {
  Task task = core.state.tasks.at(id);
  const auto turn = core.task_turns.find(id);
  if (turn != core.task_turns.end() && now.mono < turn->second) return;
  const std::uint64_t done_before = task.done;
  const bool is_done = slice(core, task, false, budget);
  const std::uint64_t rate = task.plan.rate_per_second_max;
  if (rate > 0) {
    const std::uint64_t wait_ns = (task.done - done_before) * 1'000'000'000 / rate;
    core.task_turns[id] = now.mono + static_cast<std::int64_t>(wait_ns);
  }
  note_progress(core, now, task, is_done);
}

std::vector<base::TaskId> running(const Core& core) {
  std::vector<base::TaskId> ids;
  for (const auto& [id, task] : core.state.tasks) ids.push_back(id);
  return ids;
}

}  // namespace

void start_redrive(Core& core, const Redrive& command) {
  Task task;
  task.id = command.task;
  task.kind = storage::TaskKind::kRedrive;
  task.plan.selector = command.selector;
  task.plan.dead_letters = true;
  task.plan.rate_per_second_max = command.rate_per_second_max;
  const std::string name = command.subscription.empty() ? "default" : command.subscription;
  if (Refusal refusal = aim(core, command.queue, name, task); refusal.refused()) {
    return refuse(core, command.origin, command.task, std::move(refusal));
  }
  if (command.dry_run) {
    // Nothing is written: what has died by now is what the log holds by now.
    task.started = core.log.positions().appended;
    core.dry_runs[command.task] = DryRun{std::move(task), command.origin};
    return;
  }
  if (core.state.tasks.contains(command.task)) return join(core, command.task, command.origin);
  if (Refusal refusal = check_idle(core, command.queue); refusal.refused()) {
    return refuse(core, command.origin, command.task, std::move(refusal));
  }
  begin(core, task, command.origin);
}

void start_purge(Core& core, const Purge& command) {
  Task task;
  task.id = command.task;
  task.kind = storage::TaskKind::kPurge;
  task.plan.selector = command.selector;
  task.plan.dead_letters = command.dead_letters;
  task.plan.all_subscriptions = command.subscription.empty();
  if (Refusal refusal = aim(core, command.queue, command.subscription, task); refusal.refused()) {
    return refuse(core, command.origin, command.task, std::move(refusal));
  }
  if (!command.dead_letters && command.selector.reason) {
    return refuse(core, command.origin, command.task,
                  {RefusalCode::kInvalidArgument,
                   "selector.reason is for dead letters: set dead_letters, or leave it out"});
  }
  if (core.state.tasks.contains(command.task)) return join(core, command.task, command.origin);
  if (Refusal refusal = check_idle(core, command.queue); refusal.refused()) {
    return refuse(core, command.origin, command.task, std::move(refusal));
  }
  begin(core, task, command.origin);
}

void cancel_task(Core& core, const CancelTask& command) {
  constexpr auto kCancelled = storage::TaskState::kCancelled;
  if (const auto dry = core.dry_runs.find(command.task); dry != core.dry_runs.end()) {
    core.effects.emit(Wait{}, reply_of(dry->second.origin, dry->second.task, kCancelled));
    core.effects.emit(Wait{}, reply_of(command.origin, dry->second.task, kCancelled));
    core.dry_runs.erase(dry);
    return;
  }
  const auto found = core.state.tasks.find(command.task);
  if (found == core.state.tasks.end()) {
    return refuse(core, command.origin, command.task,
                  {RefusalCode::kUnknownTask, "no task " + command.task.to_hex() + " is running"});
  }
  const Task task = found->second;
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  const base::Lsn end = core.record(fact_of(task, kCancelled), queue.syncs());
  forget(core, task.id);
  keep_ended(core, queue, task, kCancelled);
  const Wait wait = Core::wait_for(queue, end);
  if (const auto origin = core.task_origins.find(task.id); origin != core.task_origins.end()) {
    core.effects.emit(wait, reply_of(origin->second, task, kCancelled));
    core.task_origins.erase(origin);
  }
  core.effects.emit(wait, reply_of(command.origin, task, kCancelled));
}

void run_tasks(Core& core, base::Now now, Budget& budget) {
  for (const base::TaskId& id : running(core)) {
    if (budget.spent()) return;
    run_slice(core, now, id, budget);
  }
  for (auto dry = core.dry_runs.begin(); dry != core.dry_runs.end() && !budget.spent();) {
    if (!slice(core, dry->second.task, true, budget)) {
      ++dry;
      continue;
    }
    core.effects.emit(
        Wait{}, reply_of(dry->second.origin, dry->second.task, storage::TaskState::kCompleted));
    dry = core.dry_runs.erase(dry);
  }
}

std::optional<base::MonoTime> next_slice(const Core& core, base::Now now) {
  if (!core.dry_runs.empty()) return now.mono;
  std::optional<base::MonoTime> next;
  for (const auto& [id, task] : core.state.tasks) {
    const auto turn = core.task_turns.find(id);
    const base::MonoTime at =
        turn == core.task_turns.end() ? now.mono : std::max(now.mono, turn->second);
    if (!next || at < *next) next = at;
  }
  return next;
}

void abandon_tasks(Core& core, const Queue& queue) {
  core.ended_tasks.erase(queue.id());
  const Refusal refusal{RefusalCode::kUnknownQueue, "queue " + queue.name() + " was deleted"};
  for (const base::TaskId& id : running(core)) {
    if (core.state.tasks.at(id).key.stream.queue != queue.id()) continue;
    forget(core, id);
    const auto origin = core.task_origins.find(id);
    if (origin == core.task_origins.end()) continue;
    refuse(core, origin->second, id, refusal);
    core.task_origins.erase(origin);
  }
  for (auto dry = core.dry_runs.begin(); dry != core.dry_runs.end();) {
    const bool here = dry->second.task.key.stream.queue == queue.id();
    if (here) refuse(core, dry->second.origin, dry->first, refusal);
    dry = here ? core.dry_runs.erase(dry) : std::next(dry);
  }
}

}  // namespace sluice::broker
