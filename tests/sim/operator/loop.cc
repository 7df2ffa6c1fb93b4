#include "tests/sim/operator/loop.h"

#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace sluice::sim {

void Signal::notify() {
  pending_ = true;
  for (const auto& [task, turn] : std::exchange(waiters_, {})) {
    loop_.post(0, base::Nanos(0),
               [loop = &loop_, task = task, turn = turn] { loop->wake(task, turn, true); });
  }
}

Loop::~Loop() {
  for (auto& [id, task] : tasks_) task.fiber->kill();
}

void Loop::post(ProcessId process, base::Nanos after, std::function<void()> call) {
  if (dead_.contains(process)) return;
  queue_.emplace(std::pair(now_ + after, ++order_), Event{process, std::move(call)});
}

void Loop::spawn(ProcessId process, std::function<void()> body) {
  const std::uint64_t id = ++task_ids_;
  tasks_.emplace(id, Task{process, std::make_unique<Fiber>(std::move(body)), 0, false});
  post(process, base::Nanos(0), [this, id] { resume(id); });
}

void Loop::resume(std::uint64_t id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  current_ = id;
  found->second.fiber->resume();
  current_ = 0;
  if (found->second.fiber->done()) tasks_.erase(id);
}

void Loop::wake(std::uint64_t id, std::uint64_t turn, bool notified) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.turn != turn) return;
  // A notification comes from the world: it waits for a paused process like everything else.
  const auto paused = paused_.find(found->second.process);
  if (paused != paused_.end() && now_ < paused->second) {
    queue_.emplace(std::pair(paused->second, ++order_),
                   Event{0, [this, id, turn, notified] { wake(id, turn, notified); }});
    return;
  }
  ++found->second.turn;
  found->second.notified = notified;
  resume(id);
}

void Loop::kill(ProcessId process) {
  dead_.insert(process);
  std::vector<std::uint64_t> own;
  for (const auto& [id, task] : tasks_) {
    if (task.process == process) own.push_back(id);
  }
  CHECK(current_ == 0);
  for (const std::uint64_t id : own) {
    tasks_.at(id).fiber->kill();
    tasks_.erase(id);
  }
}

void Loop::pause(ProcessId process, base::Nanos time) { paused_[process] = now_ + time; }

void Loop::linger(base::Nanos time) {
  Task& task = tasks_.at(current_);
  const std::uint64_t id = current_;
  const std::uint64_t turn = task.turn;
  post(task.process, time, [this, id, turn] { wake(id, turn, false); });
  Fiber::suspend();
}

bool Loop::wait(Signal& signal, base::MonoTime until) {
  if (std::exchange(signal.pending_, false)) return true;
  Task& task = tasks_.at(current_);
  const std::uint64_t id = current_;
  const std::uint64_t turn = task.turn;
  signal.waiters_.emplace_back(id, turn);
  post(task.process, base::Nanos(until > now_ ? until - now_ : 0),
       [this, id, turn] { wake(id, turn, false); });
  Fiber::suspend();
  std::erase(signal.waiters_, std::pair(id, turn));
  if (tasks_.at(id).notified) signal.pending_ = false;
  return tasks_.at(id).notified;
}

void Loop::wait_for_death() {
  for (;;) {
    linger(std::chrono::hours(24));
  }
}

void Loop::run_until(base::MonoTime end) {
  while (!stopped_ && !queue_.empty() && queue_.begin()->first.first <= end) {
    auto first = queue_.extract(queue_.begin());
    now_ = std::max(now_, first.key().first);
    Event& event = first.mapped();
    if (dead_.contains(event.process)) continue;
    const auto paused = paused_.find(event.process);
    if (event.process != 0 && paused != paused_.end() && now_ < paused->second) {
      queue_.emplace(std::pair(paused->second, ++order_), std::move(event));
      continue;
    }
    event.call();
  }
  if (!stopped_) now_ = std::max(now_, end);
}

void Loop::note(std::string_view text) {
  char time[32];
  std::snprintf(time, sizeof time, "%10.3f ",
                static_cast<double>(now_.value() - 1'000'000'000'000) / 1e9);
  std::string line = time + std::string(text);
  hash_ = base::fnv1a(line, hash_);
  if (log) std::fprintf(stderr, "%s\n", line.c_str());
  events_.push_back(std::move(line));
  if (events_.size() > kEventsKept) events_.pop_front();
}

}  // namespace sluice::sim
