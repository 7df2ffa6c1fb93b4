#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "frontend/http/process_stats.h"

namespace sluice::frontend {

// Where the loop leaves its latest picture of the process, and where others take it. Any thread.
class StatsBoard {
 public:
  void publish(std::shared_ptr<const http::ProcessStats> stats) {
    const std::lock_guard lock(mutex_);
    stats_.swap(stats);
  }
  // Null until the first one is there.
  std::shared_ptr<const http::ProcessStats> latest() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  mutable std::mutex mutex_;  // guards stats_; held for a pointer's swap or copy
  std::shared_ptr<const http::ProcessStats> stats_;
};

}  // namespace sluice::frontend
