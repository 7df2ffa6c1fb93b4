#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/prng.h"
#include "base/result.h"
#include "frontend/log_workers.h"
#include "tests/sim/broker/scheduler.h"

namespace sluice::sim {

// How long file work takes. Changed while it runs: a disk that is slow for a while.
struct DiskPace {
  std::int64_t min_ns = 20'000;
  std::int64_t max_ns = 2'000'000;
  std::int64_t stalled_until_ns = 0;  // of the scheduler's time
};

// The threads of a log as events: each lane does one piece after the other, which takes time, and
// tells the loop when it is done. Between the two the process may die.
class SimWorkers final : public frontend::LogWorkers {
 public:
  SimWorkers(Scheduler& scheduler, const DiskPace& pace, std::uint64_t seed,
             std::function<void()> wake);
  ~SimWorkers() override;

  void submit(Lane lane, std::shared_ptr<storage::LogWork> work) override;
  std::size_t run_completions() override;
  void stop() override;

 private:
  struct Piece {
    std::shared_ptr<storage::LogWork> work;
    base::Status status;
    bool ran = false;
  };

  std::int64_t draw_ns();
  void begin_next(Lane lane);
  void run_front(Lane lane);
  void end_front(Lane lane);
  std::deque<Piece>& queue(Lane lane) { return queues_[static_cast<std::size_t>(lane)]; }

  Scheduler& scheduler_;
  const DiskPace& pace_;
  base::Prng prng_;
  std::function<void()> wake_;
  std::array<std::deque<Piece>, 3> queues_;
  std::deque<Piece> done_;
  std::shared_ptr<bool> alive_;  // false: events of ours mean nothing any more
};

}  // namespace sluice::sim
