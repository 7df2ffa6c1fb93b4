#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/log.h"

namespace sluice::test {

// What the process logs while this lives, a line each, in place of standard error. Any thread.
class CapturedLog {
 public:
  CapturedLog() {
    base::LogOptions options;
    options.sink = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    base::process_logger().configure(std::move(options));
  }
  ~CapturedLog() { base::process_logger().configure({}); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  // The first line with this event and these words; empty = there is none.
  std::string find(const std::string& event, const std::string& words = "") const {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : lines_) {
      const bool is_event = line.find("\"event\":\"" + event + "\"") != std::string::npos;
      if (is_event && line.find(words) != std::string::npos) return line;
    }
    return "";
  }
  // The same, once it is there; the test's own time limit ends this.
  std::string wait_for(const std::string& event, const std::string& words = "") const {
    while (true) {
      const std::string line = find(event, words);
      if (!line.empty()) return line;
      std::this_thread::yield();
    }
  }

 private:
  mutable std::mutex mutex_;  // guards lines_
  std::vector<std::string> lines_;
};

}  // namespace sluice::test
