#include "broker/timed_runs.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/check.h"

namespace sluice::broker {

void TimedRuns::add(base::SequenceRange range, base::WallTime time) {
  CHECK(!any_in(range));
  const auto after = runs_.lower_bound(range.first);
  if (after != runs_.begin()) {
    Run& before = std::prev(after)->second;
    if (before.last + 1 == range.first && before.time == time && before.pending) {
      before.last = range.last;
      pending_ += range.count();
      return;
    }
  }
  insert(range, time, true);
}

void TimedRuns::cut(base::SequenceRange range) {
  if (runs_.empty()) return;
  const auto found = first_at(range.first);
  auto run = runs_.erase(found, found);  // an empty erase: the mutable iterator of a const one
  while (run != runs_.end() && run->first <= range.last) {
    const base::SequenceRange old{run->first, run->second.last};
    const Run copy = run->second;
    run = erase(run);
    if (old.first < range.first) insert({old.first, range.first - 1}, copy.time, copy.pending);
    if (range.last < old.last) {
      insert({range.last + 1, old.last}, copy.time, copy.pending);
      return;
    }
  }
}

void TimedRuns::rearm() {
  for (auto& [first, run] : runs_) {
    if (run.pending) continue;
    run.pending = true;
    order_.emplace(run.time, first);
    pending_ += base::SequenceRange{first, run.last}.count();
  }
}

std::optional<base::WallTime> TimedRuns::earliest() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

std::optional<base::SequenceRange> TimedRuns::pop_due(base::WallTime now, std::uint64_t count_max) {
  if (order_.empty() || now < order_.begin()->first || count_max == 0) return std::nullopt;
  const auto run = runs_.find(order_.begin()->second);
  CHECK(run != runs_.end());
  const base::WallTime time = run->second.time;
  base::SequenceRange due{run->first, run->second.last};
  erase(run);
  if (due.count() > count_max) {
    insert({due.first + count_max, due.last}, time, true);
    due.last = due.first + (count_max - 1);
  }
  insert(due, time, false);
  return due;
}

bool TimedRuns::any_in(base::SequenceRange range) const {
  const auto run = first_at(range.first);
  return run != runs_.end() && run->first <= range.last;
}

TimedRuns::Runs::const_iterator TimedRuns::first_at(base::Sequence sequence) const {
  auto run = runs_.upper_bound(sequence);
  if (run != runs_.begin() && sequence <= std::prev(run)->second.last) --run;
  return run;
}

void TimedRuns::insert(base::SequenceRange range, base::WallTime time, bool pending) {
  runs_.emplace(range.first, Run{range.last, time, pending});
  if (!pending) return;
  order_.emplace(time, range.first);
  pending_ += range.count();
}

TimedRuns::Runs::iterator TimedRuns::erase(Runs::iterator run) {
  if (run->second.pending) {
    order_.erase({run->second.time, run->first});
    pending_ -= base::SequenceRange{run->first, run->second.last}.count();
  }
  return runs_.erase(run);
}

}  // namespace sluice::broker
