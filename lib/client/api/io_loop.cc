#include "client/api/io_loop.h"

#include <algorithm>

namespace sluice::api {
namespace {

constexpr base::Millis kIdle{60'000};

}  // namespace

IoLoop::IoLoop(std::unique_ptr<client::Connection> connection)
    : connection_(std::move(connection)) {}

void IoLoop::start() {
  thread_ = std::thread([self = shared_from_this()] {
    self->thread_id_ = std::this_thread::get_id();
    self->serve();
  });
}

void IoLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  posted_.notify_one();
  if (!thread_.joinable()) return;
  if (on_thread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

bool IoLoop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
  wake();
  return true;
}

void IoLoop::wake() {
  if (!awake_.exchange(true)) connection_->interrupt();
}

void IoLoop::attend(std::shared_ptr<Attendant> attendant) {
  if (dead_) attendant->on_dead(*dead_);
  attendants_.push_back(std::move(attendant));
}

void IoLoop::leave(const Attendant* attendant) {
  std::erase_if(attendants_, [&](const auto& one) { return one.get() == attendant; });
}

void IoLoop::run_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (std::function<void()>& task : tasks) {
    task();
    task = nullptr;  // what it holds may be the last of its kind
  }
}

base::MonoTime IoLoop::give_turns() {
  base::MonoTime wake_at = connection_->now() + kIdle;
  // A turn may end attendants, but only through a task.
  for (const std::shared_ptr<Attendant>& attendant : attendants_) {
    const std::optional<base::MonoTime> wake = attendant->turn(connection_->now());
    if (wake) wake_at = std::min(wake_at, *wake);
  }
  return wake_at;
}

void IoLoop::die(const base::Error& error) {
  dead_ = error;
  for (const std::shared_ptr<Attendant>& attendant : attendants_) attendant->on_dead(error);
}

void IoLoop::serve() {
  for (;;) {
    awake_ = false;
    run_tasks();
    {
      std::unique_lock lock(mutex_);
      if (dead_) posted_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_ && tasks_.empty()) {
        ended_ = true;
        break;
      }
    }
    if (dead_) continue;
    const base::MonoTime wake_at = give_turns();
    // An interruption may have been eaten by a call inside a turn; the flag was not.
    const std::int64_t left = awake_ ? 0 : std::max<std::int64_t>(wake_at - connection_->now(), 0);
    const base::Status status =
        connection_->poll(base::Millis((left + base::kNanosPerMilli - 1) / base::kNanosPerMilli));
    reconnects_ = connection_->reconnects();
    if (!status.has_value()) die(status.error());
  }
  attendants_.clear();
  if (!dead_) (void)connection_->close();
}

}  // namespace sluice::api
