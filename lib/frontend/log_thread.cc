#include "frontend/log_thread.h"

#include <utility>

#include "base/check.h"

namespace sluice::frontend {

LogThread::LogThread(std::function<void()> wake) : wake_(std::move(wake)) {
  for (Queue& queue : queues_) queue.thread = std::thread([this, &queue] { serve(queue); });
}

LogThread::~LogThread() { stop(); }

void LogThread::submit(Lane lane, std::shared_ptr<storage::LogWork> work) {
  Queue& to = queue(lane);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    CHECK(!stopping_);
    to.work.push_back(std::move(work));
  }
  to.arrived.notify_one();
}

void LogThread::serve(Queue& from) {
  for (;;) {
    std::shared_ptr<storage::LogWork> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      from.arrived.wait(lock, [&] { return stopping_ || !from.work.empty(); });
      if (from.work.empty()) return;
      work = std::move(from.work.front());
      from.work.pop_front();
    }
    base::Status status = work->run();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_.push_back({std::move(work), std::move(status)});
    }
    wake_();
  }
}

std::size_t LogThread::run_completions() {
  std::deque<Done> done;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done.swap(done_);
  }
  for (const Done& one : done) one.work->finish(one.status);
  return done.size();
}

void LogThread::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  for (Queue& queue : queues_) queue.arrived.notify_one();
  for (Queue& queue : queues_) {
    if (queue.thread.joinable()) queue.thread.join();
  }
}

}  // namespace sluice::frontend
