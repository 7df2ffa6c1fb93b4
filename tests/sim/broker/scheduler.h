#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fnv1a.h"
#include "base/time.h"
#include "runtime/clock.h"

namespace sluice::sim {

// Virtual time and everything that happens in it: events in the order of (time, when they were
// made). Also the rolling hash of what happened, by which two runs are compared. One thread.
class Scheduler {
 public:
  base::MonoTime now() const { return now_; }
  void at(base::MonoTime time, std::function<void()> event);
  void after(base::Nanos delay, std::function<void()> event) { at(now_ + delay, std::move(event)); }
  // Runs the next event; false: there is none.
  bool step();
  std::uint64_t events() const { return events_; }

  // Something happened that the hash is to know of.
  void note(std::string_view what, std::uint64_t value);
  void note(std::string_view what, base::ByteView bytes);
  std::uint64_t hash() const { return hash_; }

 private:
  struct Event {
    base::MonoTime time;
    std::uint64_t number = 0;
    std::function<void()> run;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.time != b.time ? a.time > b.time : a.number > b.number;
    }
  };

  base::MonoTime now_{1'000'000'000};
  std::uint64_t made_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = base::kFnv1aStart;
  std::vector<Event> heap_;
};

// The machine's clock: mono is the scheduler's time, wall may step.
class SimClock final : public runtime::Clock {
 public:
  explicit SimClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
  base::MonoTime mono_now() const override { return scheduler_.now(); }
  base::WallTime wall_now() const override {
    return base::WallTime(offset_ms_ + scheduler_.now().value() / base::kNanosPerMilli);
  }
  void step_wall(std::int64_t by_ms) { offset_ms_ += by_ms; }

 private:
  const Scheduler& scheduler_;
  std::int64_t offset_ms_ = 1'790'000'000'000;
};

}  // namespace sluice::sim
