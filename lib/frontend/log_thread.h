#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "frontend/log_workers.h"
#include "storage/log_work.h"

namespace sluice::frontend {

// Carries out the log's file work on three threads: one writes groups and does nothing else, so
// that no commit waits behind a snapshot; one reads what old deliveries need; the third does
// everything in the background. Work is finished on the loop thread, which is woken for it. The log
// has at most one piece of each out at a time, so the queues hold no more.
class LogThread final : public LogWorkers {
 public:
  // `wake` is called from the threads whenever completions wait; it must be safe to call at any
  // time until stop() returns (an eventfd write is).
  explicit LogThread(std::function<void()> wake);
  ~LogThread() override;  // stop()
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  // Loop thread. REQUIRES: not stopped.
  void submit(Lane lane, std::shared_ptr<storage::LogWork> work) override;
  // Loop thread: finishes what is done. Returns how many pieces.
  std::size_t run_completions() override;
  // Loop thread: carries out what was submitted, then ends the threads. Completions can still be
  // run afterwards.
  void stop() override;

 private:
  struct Done {
    std::shared_ptr<storage::LogWork> work;
    base::Status status;
  };
  struct Queue {
    std::condition_variable arrived;
    std::deque<std::shared_ptr<storage::LogWork>> work;
    std::thread thread;
  };

  void serve(Queue& queue);
  Queue& queue(Lane lane) { return queues_[static_cast<std::size_t>(lane)]; }

  std::function<void()> wake_;
  std::mutex mutex_;             // guards the queues' work, done_ and stopping_
  std::array<Queue, 3> queues_;  // by lane
  std::deque<Done> done_;
  bool stopping_ = false;
};

}  // namespace sluice::frontend
