#include "frontend/post_queue.h"

#include <utility>

namespace sluice::frontend {

bool PostQueue::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || tasks_.size() >= tasks_max_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify();
  return true;
}

void PostQueue::run() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const Task& task : tasks) task();
}

void PostQueue::close() {
  std::vector<Task> dropped;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(tasks_);
}

}  // namespace sluice::frontend
