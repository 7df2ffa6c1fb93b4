#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "runtime/posix/wakeup.h"
#include "storage/log_work.h"

namespace sluice::frontend {

// A thread that does file work for the loop, one piece at a time: the loop starts it, is woken when
// it is done, and finishes it. All methods are the loop's.
class WorkThread {
 public:
  // `wake` is notified after each piece; it must outlive this. `name`: at most 15 characters.
  WorkThread(std::string name, runtime::Wakeup& wake);
  // Waits for the piece that runs; it is not finished.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  bool idle() const { return work_ == nullptr; }
  // REQUIRES: idle.
  void start(std::shared_ptr<storage::LogWork> work);
  // Finishes the piece that is done, if one is. Returns its status; ok when none was.
  base::Status collect();
  // Waits for the piece that runs, then as collect().
  base::Status wait();

 private:
  enum class Stage : std::uint8_t { kIdle, kGiven, kDone };

  void run();

  const std::string name_;
  runtime::Wakeup& wake_;
  std::shared_ptr<storage::LogWork> work_;  // loop; the thread uses it between kGiven and kDone
  base::Status status_;                     // likewise
  std::atomic<Stage> stage_{Stage::kIdle};
  std::mutex mutex_;  // for the two conditions; guards stopping_
  std::condition_variable given_;
  std::condition_variable done_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::frontend
