#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/sequence_runs.h"

namespace sluice::broker {

// Sequences that have a wall-clock time each (deliver-at, expires-at), kept in runs: a batch whose
// messages share a time costs one entry. What was popped as due stays known until it is cut, so
// that the content depends on the log's facts alone and not on when somebody looked at the clock.
class TimedRuns {
 public:
  // REQUIRES: `range` is disjoint from everything known.
  void add(base::SequenceRange range, base::WallTime time);
  // Forgets the part of `range` that is known.
  void cut(base::SequenceRange range);
  // Makes everything due again that was popped (something new may want to hear of it).
  void rearm();

  // The next time that pop_due() has something for.
  std::optional<base::WallTime> earliest() const;
  // The run that is due first at `now`, cut to `count_max` messages; each is returned once.
  std::optional<base::SequenceRange> pop_due(base::WallTime now, std::uint64_t count_max);

  bool empty() const { return runs_.empty(); }
  std::size_t size() const { return runs_.size(); }
  // Messages that were not popped yet.
  std::uint64_t pending() const { return pending_; }
  bool any_in(base::SequenceRange range) const;
  // Calls fn(SequenceRange, WallTime) for each part of `within` that is known, ascending.
  template <typename Fn>
  void for_each_in(base::SequenceRange within, Fn&& fn) const {
    for (auto run = first_at(within.first); run != runs_.end() && run->first <= within.last;
         ++run) {
      fn(intersection({run->first, run->second.last}, within), run->second.time);
    }
  }
  // Everything, with neighbours of equal time joined: equal contents give equal calls.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    for (auto run = runs_.begin(); run != runs_.end();) {
      base::SequenceRange joined{run->first, run->second.last};
      const base::WallTime time = run->second.time;
      for (++run; run != runs_.end() && run->first == joined.last + 1 && run->second.time == time;
           ++run) {
        joined.last = run->second.last;
      }
      fn(joined, time);
    }
  }

 private:
  struct Run {
    base::Sequence last;
    base::WallTime time;
    bool pending = true;
  };
  using Runs = std::map<base::Sequence, Run>;

  // The first run that ends at or behind `sequence`.
  Runs::const_iterator first_at(base::Sequence sequence) const;
  void insert(base::SequenceRange range, base::WallTime time, bool pending);
  Runs::iterator erase(Runs::iterator run);

  Runs runs_;                                                  // by first sequence, disjoint
  std::set<std::pair<base::WallTime, base::Sequence>> order_;  // of pending runs
  std::uint64_t pending_ = 0;
};

}  // namespace sluice::broker
