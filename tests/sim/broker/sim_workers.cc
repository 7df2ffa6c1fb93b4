#include "tests/sim/broker/sim_workers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::sim {

SimWorkers::SimWorkers(Scheduler& scheduler, const DiskPace& pace, std::uint64_t seed,
                       std::function<void()> wake)
    : scheduler_(scheduler),
      pace_(pace),
      prng_(seed, "workers"),
      wake_(std::move(wake)),
      alive_(std::make_shared<bool>(true)) {}

SimWorkers::~SimWorkers() { stop(); }

void SimWorkers::submit(Lane lane, std::shared_ptr<storage::LogWork> work) {
  CHECK(*alive_);
  queue(lane).push_back({std::move(work), {}, false});
  if (queue(lane).size() == 1) begin_next(lane);
}

std::int64_t SimWorkers::draw_ns() {
  const auto width = static_cast<std::uint64_t>(pace_.max_ns - pace_.min_ns + 1);
  const std::int64_t stalled = pace_.stalled_until_ns - scheduler_.now().value();
  return pace_.min_ns + static_cast<std::int64_t>(prng_.below(width)) +
         std::max<std::int64_t>(stalled, 0);
}

// The work itself is done at one moment in the midst of the time it takes.
void SimWorkers::begin_next(Lane lane) {
  const std::int64_t takes = draw_ns();
  const auto until = static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(takes) + 1));
  scheduler_.after(base::Nanos(until), [this, alive = alive_, lane] {
    if (*alive) run_front(lane);
  });
  scheduler_.after(base::Nanos(takes), [this, alive = alive_, lane] {
    if (*alive) end_front(lane);
  });
}

void SimWorkers::run_front(Lane lane) {
  Piece& piece = queue(lane).front();
  piece.ran = true;
  piece.status = piece.work->run();
}

void SimWorkers::end_front(Lane lane) {
  CHECK(queue(lane).front().ran);
  done_.push_back(std::move(queue(lane).front()));
  queue(lane).pop_front();
  if (!queue(lane).empty()) begin_next(lane);
  wake_();
}

std::size_t SimWorkers::run_completions() {
  std::deque<Piece> done;
  done.swap(done_);
  for (const Piece& piece : done) piece.work->finish(piece.status);
  return done.size();
}

void SimWorkers::stop() {
  *alive_ = false;
  for (std::deque<Piece>& queue : queues_) {
    for (Piece& piece : queue) {
      if (!piece.ran) piece.status = piece.work->run();
      done_.push_back(std::move(piece));
    }
    queue.clear();
  }
}

}  // namespace sluice::sim
