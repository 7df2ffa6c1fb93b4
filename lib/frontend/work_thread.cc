#include "frontend/work_thread.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace sluice::frontend {

WorkThread::WorkThread(std::string name, runtime::Wakeup& wake)
    : name_(std::move(name)), wake_(wake), thread_([this] { run(); }) {}

WorkThread::~WorkThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  given_.notify_one();
  thread_.join();
}

void WorkThread::start(std::shared_ptr<storage::LogWork> work) {
  CHECK(idle() && work != nullptr);
  work_ = std::move(work);
  {
    const std::lock_guard lock(mutex_);
    stage_.store(Stage::kGiven, std::memory_order_release);
  }
  given_.notify_one();
}

base::Status WorkThread::collect() {
  if (stage_.load(std::memory_order_acquire) != Stage::kDone) return {};
  stage_.store(Stage::kIdle, std::memory_order_relaxed);
  const std::shared_ptr<storage::LogWork> work = std::exchange(work_, nullptr);
  base::Status status = std::exchange(status_, base::Status());
  work->finish(status);
  return status;
}

base::Status WorkThread::wait() {
  if (idle()) return {};
  {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return stage_.load(std::memory_order_acquire) == Stage::kDone; });
  }
  return collect();
}

void WorkThread::run() {
  pthread_setname_np(pthread_self(), name_.c_str());
  while (true) {
    {
      std::unique_lock lock(mutex_);
      given_.wait(lock, [this] {
        return stopping_ || stage_.load(std::memory_order_relaxed) == Stage::kGiven;
      });
      if (stage_.load(std::memory_order_relaxed) != Stage::kGiven) return;
    }
    status_ = work_->run();
    {
      const std::lock_guard lock(mutex_);
      stage_.store(Stage::kDone, std::memory_order_release);
    }
    done_.notify_one();
    wake_.notify();
  }
}

}  // namespace sluice::frontend
