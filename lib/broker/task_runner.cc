#include "broker/task_runner.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/hosting.h"
#include "broker/task_report.h"
#include "broker/task_slice.h"

namespace sluice::broker {

namespace {

// Each has a share of every tick.
constexpr std::size_t kDryRunsMax = 64;

using storage::TaskKind;
using storage::TaskState;

constexpr std::uint32_t kTaskLevel = 2;
constexpr std::size_t kSelectorErrorBytesMax = 1024;
// While a task goes on, whoever asked for it hears of it this often.
constexpr base::Nanos kTellEvery = std::chrono::milliseconds(500);
// Between two looks whether a target takes messages again.
constexpr base::Nanos kLookAgain = std::chrono::milliseconds(100);
// While storage brings in what a task looks at next.
constexpr base::Nanos kReadAgain = std::chrono::milliseconds(1);

bool carries(TaskKind kind) { return kind == TaskKind::kCopy || kind == TaskKind::kMove; }

const char* name_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kRedrive:
      return "redrive ";
    case TaskKind::kPurge:
      return "purge ";
    case TaskKind::kCopy:
      return "copy ";
    case TaskKind::kMove:
      return "move ";
  }
  return "task ";
}

storage::TaskFact fact_of(const Core& core, const Task& task, TaskState state) {
  storage::TaskFact fact;
  fact.task = task.id;
  fact.kind = task.kind;
  fact.state = state;
  fact.key = task.key;
  fact.matched = task.matched;
  fact.done = task.done;
  fact.position = task.position;
  fact.selector = encode_plan(task.plan, core.log.feature_level() >= kTaskLevel);
  return fact;
}

TaskReply reply_of(const Core& core, const Task& task, TaskState state) {
  TaskReply reply;
  reply.task = task.id;
  reply.kind = task.kind;
  reply.state = state;
  reply.matched = task.matched;
  reply.done = task.done;
  const auto waits = core.task_waits.find(task.id);
  if (state == TaskState::kRunning && waits != core.task_waits.end()) {
    reply.waits_for = waits->second;
  }
  return reply;
}

// The one that tells of the end; also where nobody waits for it, so that it can be written down.
TaskReply last_reply(const Core& core, const Task& task, TaskState state) {
  TaskReply reply = reply_of(core, task, state);
  reply.ended = task.plan.note;
  const Queue* queue = core.state.queue(task.key.stream.queue);
  if (queue != nullptr) reply.queue = queue->name();
  return reply;
}

void refuse(Core& core, const StartTask& command, Refusal refusal) {
  TaskReply reply;
  reply.origin = command.origin;
  reply.detailed = command.detailed;
  reply.refusal = std::move(refusal);
  reply.task = command.task;
  reply.kind = command.kind;
  reply.state = TaskState::kFailed;
  reply.ended = command.note;
  const Queue* queue = core.state.queue(command.queue);
  if (queue != nullptr) reply.queue = queue->name();
  core.effects.emit(Wait{}, std::move(reply));
}

TaskAsker take_asker(Core& core, const base::TaskId& id) {
  const auto found = core.task_askers.find(id);
  if (found == core.task_askers.end()) return {};  // began before a restart
  const TaskAsker asker = found->second;
  core.task_askers.erase(found);
  return asker;
}

void emit(Core& core, Wait wait, TaskReply reply, const TaskAsker& asker) {
  reply.origin = asker.origin;
  reply.detailed = asker.detailed;
  core.effects.emit(wait, std::move(reply));
}

void forget(Core& core, const base::TaskId& id) {
  core.task_turns.erase(id);
  core.task_told.erase(id);
  core.task_waits.erase(id);
  if (core.carried && core.carried->task == id) core.carried.reset();
}

// What is wrong with the selector, or with the kind of task that it is for.
Refusal check_selector(const Core& core, const StartTask& command) {
  const Selector& selector = command.selector;
  base::Sequence before;
  for (const base::SequenceRange& range : selector.sequences) {
    if (range.first <= before || range.last < range.first) {
      return {RefusalCode::kInvalidArgument,
              "selector.sequences: the ranges must be ascending, from 1 on, and not overlap"};
    }
    before = range.last;
  }
  if (selector.error.size() > kSelectorErrorBytesMax) {
    return {RefusalCode::kInvalidArgument, "selector.error: at most 1024 bytes"};
  }
  if (!command.dead_letters && selector.reason) {
    return {RefusalCode::kInvalidArgument,
            "selector.reason is for dead letters: set dead_letters, or leave it out"};
  }
  if (!command.dry_run && core.log.feature_level() < kTaskLevel &&
      needs_level_2(command.kind, selector)) {
    return {RefusalCode::kUnimplemented,
            "the log is of feature level 1, which cannot hold such a task: start the broker once "
            "with --log-feature-level 2"};
  }
  return {};
}

Refusal check_target(const Core& core, const StartTask& command) {
  if (!carries(command.kind)) return {};
  if (core.state.queue(command.target) == nullptr) {
    return {RefusalCode::kUnknownQueue, "no target queue with id " + command.target.to_hex()};
  }
  if (command.target == command.queue) {
    return {RefusalCode::kInvalidArgument,
            "the target is the queue itself: use a redrive to give dead letters back"};
  }
  return {};
}

// The task, where it begins.
Refusal aim(const Core& core, const StartTask& command, Task& task) {
  const Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return {RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex()};
  }
  if (command.selector.shard) {
    Stream* stream = nullptr;
    Refusal refusal = find_stream(core, *queue, *command.selector.shard, stream);
    if (refusal.refused()) return refusal;
    task.key.stream.shard = *command.selector.shard;
  }
  task.id = command.task;
  task.kind = command.kind;
  task.key.stream.queue = command.queue;
  task.position = base::Sequence(1);
  task.plan.selector = command.selector;
  task.plan.dead_letters = command.dead_letters;
  task.plan.rate_per_second_max = command.rate_per_second_max;
  if (carries(command.kind)) task.plan.target = command.target;
  task.plan.note = command.note;
  for (const auto& stream : queue->streams()) task.plan.ends.push_back(stream->next());
  task.plan.all_subscriptions = command.kind == TaskKind::kPurge && command.subscription.empty();
  if (task.plan.all_subscriptions) {
    // The lowest, and on from there: a manifest may name them in any order.
    const auto& ids = queue->stored().ids;
    task.key.subscription = *std::min_element(ids.begin(), ids.end());
    return {};
  }
  const std::string name = command.subscription.empty() ? "default" : command.subscription;
  const auto subscription = queue->find_subscription(name);
  if (!subscription) {
    return {RefusalCode::kUnknownSubscription,
            "queue " + queue->name() + " has no subscription " + name +
                "; declared are: " + queue->subscription_names()};
  }
  task.key.subscription = *subscription;
  return {};
}

// Two tasks on one queue would undo each other's work.
Refusal check_idle(const Core& core, const base::QueueId& queue) {
  for (const auto& [id, task] : core.state.tasks) {
    if (task.key.stream.queue != queue) continue;
    return {RefusalCode::kTaskRunning,
            name_of(task.kind) + id.to_hex() + " of this queue is running: wait, or cancel it"};
  }
  return {};
}

// Whoever asked knows the task from here on, and that it lives on without them.
void begin(Core& core, const Task& task, const TaskAsker& asker) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  core.task_askers[task.id] = asker;
  const base::Lsn end = core.record(fact_of(core, task, TaskState::kRunning), queue.syncs());
  emit(core, Core::wait_for(queue, end), reply_of(core, task, TaskState::kRunning), asker);
}

// Asked for again with the same id: the answers go to the one who asked last.
void join(Core& core, const base::TaskId& id, const TaskAsker& asker) {
  core.task_askers[id] = asker;
  emit(core, Wait{}, reply_of(core, core.state.tasks.at(id), TaskState::kRunning), asker);
}

// Its end, with the answer. Returns what shows that it has ended.
Wait end(Core& core, const Task& task, TaskState state) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  const base::Lsn at = core.record(fact_of(core, task, state), queue.syncs());
  forget(core, task.id);
  keep_ended(core, queue, task, state);
  emit(core, Core::wait_for(queue, at), last_reply(core, task, state), take_asker(core, task.id));
  return Core::wait_for(queue, at);
}

// After a slice: how far it is.
void note_progress(Core& core, base::Now now, const Task& task, const Task& before) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  base::Lsn at = core.state.subscription(task.key) == nullptr
                     ? base::Lsn()
                     : core.state.subscription(task.key)->last_record_end;
  const bool moved =
      task.position != before.position || task.key != before.key || task.matched != before.matched;
  if (moved) at = core.record(fact_of(core, task, TaskState::kRunning), queue.syncs());
  const auto asker = core.task_askers.find(task.id);
  if (asker == core.task_askers.end()) return;
  const base::MonoTime told = core.task_told.try_emplace(task.id, now.mono).first->second;
  if (now.mono < told + kTellEvery) return;
  core.task_told[task.id] = now.mono;
  emit(core, Core::wait_for(queue, at), reply_of(core, task, TaskState::kRunning), asker->second);
}

void run_slice(Core& core, base::Now now, const base::TaskId& id, Budget& budget) {
  const Task before = core.state.tasks.at(id);
  const auto turn = core.task_turns.find(id);
  if (turn != core.task_turns.end() && now.mono < turn->second) return;
  Task task = before;
  if (carries(task.kind) && core.state.queue(task.plan.target) == nullptr) {
    end(core, task, TaskState::kFailed);
    return;
  }
  const Slice result = slice(core, now, task, nullptr, budget);
  const std::uint64_t rate = task.plan.rate_per_second_max;
  if (!result.waits_for.empty()) {
    core.task_waits[id] = result.waits_for;
    core.task_turns[id] = now.mono + kLookAgain;
  } else {
    core.task_waits.erase(id);
    core.task_turns.erase(id);
  }
  if (result.reads) core.task_turns[id] = now.mono + kReadAgain;
  if (rate > 0 && task.done > before.done) {
    const std::uint64_t wait_ns = (task.done - before.done) * 1'000'000'000 / rate;
    core.task_turns[id] = now.mono + static_cast<std::int64_t>(wait_ns);
  }
  if (result.is_end) {
    end(core, task, TaskState::kCompleted);
  } else {
    note_progress(core, now, task, before);
  }
}

std::vector<base::TaskId> running(const Core& core) {
  std::vector<base::TaskId> ids;
  for (const auto& [id, task] : core.state.tasks) ids.push_back(id);
  return ids;
}

}  // namespace

void start_task(Core& core, const StartTask& command) {
  StartTask wanted = command;
  wanted.dead_letters = command.dead_letters || command.kind == TaskKind::kRedrive;
  Task task;
  for (const auto check : {check_selector, check_target}) {
    if (Refusal refusal = check(core, wanted); refusal.refused()) {
      return refuse(core, command, std::move(refusal));
    }
  }
  if (Refusal refusal = aim(core, wanted, task); refusal.refused()) {
    return refuse(core, command, std::move(refusal));
  }
  const TaskAsker asker{command.origin, command.detailed};
  if (command.dry_run) {
    if (core.dry_runs.size() >= kDryRunsMax) {
      return refuse(
          core, command,
          {RefusalCode::kLimitReached, "the broker counts for " + std::to_string(kDryRunsMax) +
                                           " dry runs, its limit; try again later"});
    }
    // Nothing is written: what has died by now is what the log holds by now.
    task.started = core.log.positions().appended;
    core.dry_runs[command.task] = DryRun{std::move(task), asker, command.samples_max, {}};
    return;
  }
  if (core.state.tasks.contains(command.task)) return join(core, command.task, asker);
  if (Refusal refusal = check_idle(core, command.queue); refusal.refused()) {
    return refuse(core, command, std::move(refusal));
  }
  begin(core, task, asker);
}

void cancel_task(Core& core, const CancelTask& command) {
  const TaskAsker canceller{command.origin};
  if (const auto dry = core.dry_runs.find(command.task); dry != core.dry_runs.end()) {
    const Task& task = dry->second.task;
    emit(core, Wait{}, last_reply(core, task, TaskState::kCancelled), dry->second.asker);
    emit(core, Wait{}, reply_of(core, task, TaskState::kCancelled), canceller);
    core.dry_runs.erase(dry);
    return;
  }
  const auto found = core.state.tasks.find(command.task);
  if (found == core.state.tasks.end()) {
    TaskReply reply;
    reply.task = command.task;
    reply.state = TaskState::kFailed;
    reply.refusal = {RefusalCode::kUnknownTask, "no task " + command.task.to_hex() + " is running"};
    return emit(core, Wait{}, std::move(reply), canceller);
  }
  const Task task = found->second;
  const Wait wait = end(core, task, TaskState::kCancelled);
  emit(core, wait, reply_of(core, task, TaskState::kCancelled), canceller);
}

void run_tasks(Core& core, base::Now now, Budget& budget) {
  for (const base::TaskId& id : running(core)) {
    if (budget.spent()) return;
    run_slice(core, now, id, budget);
  }
  for (auto dry = core.dry_runs.begin(); dry != core.dry_runs.end() && !budget.spent();) {
    DryRun& run = dry->second;
    if (now.mono < run.turn) {
      ++dry;
      continue;
    }
    const Slice result = slice(core, now, run.task, &run, budget);
    if (!result.is_end) {
      run.turn = result.reads ? now.mono + kReadAgain : now.mono;
      ++dry;
      continue;
    }
    TaskReply reply = last_reply(core, run.task, TaskState::kCompleted);
    reply.samples = std::move(run.samples);
    emit(core, Wait{}, std::move(reply), run.asker);
    dry = core.dry_runs.erase(dry);
  }
}

std::optional<base::MonoTime> next_slice(const Core& core, base::Now now) {
  std::optional<base::MonoTime> next;
  for (const auto& [id, dry] : core.dry_runs) {
    const base::MonoTime at = std::max(now.mono, dry.turn);
    if (!next || at < *next) next = at;
  }
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
  const auto tell = [&](TaskReply reply, const TaskAsker& asker) {
    reply.refusal = refusal;
    emit(core, Wait{}, std::move(reply), asker);
  };
  for (const base::TaskId& id : running(core)) {
    const Task task = core.state.tasks.at(id);
    const bool here = task.key.stream.queue == queue.id();
    if (!here && task.plan.target != queue.id()) continue;
    if (!here) {
      const Queue& other = *core.state.queue(task.key.stream.queue);
      core.record(fact_of(core, task, TaskState::kFailed), other.syncs());
      keep_ended(core, other, task, TaskState::kFailed);
    }
    forget(core, id);
    tell(last_reply(core, task, TaskState::kFailed), take_asker(core, id));
  }
  for (auto dry = core.dry_runs.begin(); dry != core.dry_runs.end();) {
    const Task& task = dry->second.task;
    const bool here = task.key.stream.queue == queue.id();
    if (here) tell(last_reply(core, task, TaskState::kFailed), dry->second.asker);
    dry = here ? core.dry_runs.erase(dry) : std::next(dry);
  }
}

}  // namespace sluice::broker
