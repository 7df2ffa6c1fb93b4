#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "runtime/posix/wakeup.h"

namespace sluice::frontend {

// How other threads reach the loop: values (functions that own what they carry) are posted, the
// loop runs them. Bounded: when it is full the poster is told and keeps its value.
class PostQueue {
 public:
  using Task = std::function<void()>;

  // `wake` must outlive the queue.
  explicit PostQueue(runtime::Wakeup& wake, std::size_t tasks_max = 1'024)
      : wake_(wake), tasks_max_(tasks_max) {}

  // Any thread. False = full, or closed.
  bool post(Task task);
  // Loop thread: runs what was posted before the call, outside the lock.
  void run();
  // Nothing is taken any more; what waits is dropped. Any thread.
  void close();

 private:
  runtime::Wakeup& wake_;
  const std::size_t tasks_max_;
  std::mutex mutex_;  // guards tasks_ and closed_; held while nothing is called
  std::vector<Task> tasks_;
  bool closed_ = false;
};

}  // namespace sluice::frontend
