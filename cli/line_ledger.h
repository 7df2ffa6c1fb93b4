#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace sluice::cli {

// Remembers which input line each message came from until the broker has answered. Answers come in
// the order of the messages, so runs of lines are enough: a million lines are one run.
class LineLedger {
 public:
  struct Run {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };

  // REQUIRES: lines rise.
  void add(std::uint64_t line);
  // The lines of the oldest `count` messages. REQUIRES: so many are open.
  std::vector<Run> take(std::uint64_t count);
  std::uint64_t open() const { return open_; }

 private:
  std::deque<Run> runs_;
  std::uint64_t open_ = 0;
};

}  // namespace sluice::cli
