#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fnv1a.h"
#include "base/time.h"
#include "tests/sim/fiber.h"

namespace sluice::sim {

// A process of the simulated world: killed and paused as a whole. 0 = the world itself.
using ProcessId = std::uint64_t;

class Loop;

// Wakes the fibers that wait for it. One that comes when nobody waits is kept for the next.
class Signal {
 public:
  explicit Signal(Loop& loop) : loop_(loop) {}
  void notify();

 private:
  friend class Loop;

  Loop& loop_;
  bool pending_ = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> waiters_;  // fiber, its turn
};

// Virtual time, and everything that happens in it, in one order: by time, then by who came first.
// Whoever runs the same calls again gets the same order.
class Loop {
 public:
  ~Loop();

  base::MonoTime now() const { return now_; }

  ProcessId new_process() { return ++processes_; }
  void post(ProcessId process, base::Nanos after, std::function<void()> call);
  // A fiber of that process; begins soon.
  void spawn(ProcessId process, std::function<void()> body);
  // Not from inside of one of its fibers. What it posted does not happen any more.
  void kill(ProcessId process);
  // What is due until then happens then.
  void pause(ProcessId process, base::Nanos time);

  // --- Inside of a fiber.
  void linger(base::Nanos time);
  // True = notified.
  bool wait(Signal& signal, base::MonoTime until);
  [[noreturn]] void wait_for_death();

  // --- Outside. Until that time, or until stop().
  void run_until(base::MonoTime end);
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // Goes into the hash, and into the last events.
  void note(std::string_view text);
  std::uint64_t hash() const { return hash_; }
  std::vector<std::string> last_events() const { return {events_.begin(), events_.end()}; }
  bool log = false;

 private:
  friend class Signal;
  static constexpr std::size_t kEventsKept = 200;

  struct Event {
    ProcessId process = 0;
    std::function<void()> call;
  };
  struct Task {
    ProcessId process = 0;
    std::unique_ptr<Fiber> fiber;
    std::uint64_t turn = 0;  // of waiting
    bool notified = false;
  };

  void wake(std::uint64_t task, std::uint64_t turn, bool notified);
  void resume(std::uint64_t task);

  base::MonoTime now_{1'000'000'000'000};
  std::uint64_t order_ = 0;
  std::map<std::pair<base::MonoTime, std::uint64_t>, Event> queue_;
  ProcessId processes_ = 0;
  std::set<ProcessId> dead_;
  std::map<ProcessId, base::MonoTime> paused_;
  std::uint64_t task_ids_ = 0;
  std::map<std::uint64_t, Task> tasks_;
  std::uint64_t current_ = 0;  // task
  bool stopped_ = false;
  std::uint64_t hash_ = base::kFnv1aStart;
  std::deque<std::string> events_;
};

}  // namespace sluice::sim
