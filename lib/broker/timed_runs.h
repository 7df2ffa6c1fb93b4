#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "broker/sequence_runs.h"
#include "broker/side_table.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// Sequences that have a wall-clock time each (deliver-at, expires-at), kept in runs: a batch whose
// messages share a time costs one entry. The entries are in the side index; in memory are only
// which sequences it is about, and how far the order of times was read. What was popped as due
// stays known until it is cut, so that the content depends on the log's facts alone and not on when
// somebody looked at the clock.
class TimedRuns {
 public:
  TimedRuns(storage::SideIndex& index, const storage::StreamId& stream, SideTag runs,
            SideTag by_time);

  // REQUIRES: `range` is disjoint from everything known.
  void add(base::SequenceRange range, base::WallTime time);
  // Forgets the part of `range` that is known.
  void cut(base::SequenceRange range);
  // Makes everything due again that was popped (something new may want to hear of it).
  void rearm();

  // pop_due() has nothing before this; nullopt = never.
  std::optional<base::WallTime> earliest() const;
  // The run that is due first at `now`, cut to `count_max` messages. What was popped comes again
  // only after rearm(), or when something earlier was added.
  std::optional<base::SequenceRange> pop_due(base::WallTime now, std::uint64_t count_max);

  // True when pop_due() has handed out this one since the last rearm().
  bool is_popped(base::Sequence sequence) const;

  bool empty() const { return known_.empty(); }
  bool any_in(base::SequenceRange range) const { return known_.contains_any(range); }
  const storage::SequenceSet& known() const { return known_; }
  // Calls fn(SequenceRange, WallTime) for each part of `within` that is known, ascending.
  template <typename Fn>
  void for_each_in(base::SequenceRange within, Fn&& fn) const {
    if (known_.empty() || !known_.contains_any(within)) return;
    for (auto run = first_at(within.first); run && run->range.first <= within.last;) {
      const base::SequenceRange range = run->range;
      fn(intersection(range, within), run->time);
      if (within.last <= range.last) return;
      run = first_at(range.last + 1);
    }
  }
  // The same with neighbours of equal time joined: equal contents give equal calls.
  template <typename Fn>
  void for_each_joined_in(base::SequenceRange within, Fn&& fn) const {
    std::optional<Run> joined;
    for_each_in(within, [&](base::SequenceRange range, base::WallTime time) {
      if (joined && joined->range.last + 1 == range.first && joined->time == time) {
        joined->range.last = range.last;
        return;
      }
      if (joined) fn(joined->range, joined->time);
      joined = Run{range, time};
    });
    if (joined) fn(joined->range, joined->time);
  }

  // For snapshots: the entries are in the index.
  void restore(storage::SequenceSet known);

 private:
  struct Run {
    base::SequenceRange range;
    base::WallTime time;
  };
  // Of the messages, in the order of (time, sequence), those before (time, next) were popped. No
  // run of that time that begins before `first` has others.
  struct Cursor {
    base::WallTime time;
    base::Sequence first;
    base::Sequence next;
  };

  // The first run that ends at or behind `sequence`.
  std::optional<Run> first_at(base::Sequence sequence) const;
  void insert(const Run& run);
  void erase(const Run& run);

  SideTable runs_;     // by last sequence
  SideTable by_time_;  // by time and first sequence
  storage::SequenceSet known_;
  Cursor cursor_;
  std::optional<base::WallTime> next_;  // not before this
};

}  // namespace sluice::broker
