#include "broker/subscription.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "broker/stream.h"

namespace sluice::broker {

namespace {

void insert_all(const storage::SequenceSet& from, storage::SequenceSet& into) {
  from.for_each_range(base::Sequence(0), from.last().value_or(base::Sequence(0)),
                      [&](base::SequenceRange run) {
                        into.insert(run);
                        return true;
                      });
}

}  // namespace

Subscription::Subscription(Stream& stream, base::SubscriptionId id, std::uint64_t number,
                           const SideBooks& side)
    : stream_(stream),
      id_(id),
      number_(number),
      retries_(side.index, {stream.id(), id}, side.clock),
      dead_(side.index, {stream.id(), id}) {
  gone_.insert(base::Sequence(0));
  taken_.insert(base::Sequence(0));
}

storage::SubscriptionKey Subscription::key() const { return {stream_.id(), id_}; }

void Subscription::delay(base::SequenceRange range) {
  delays_.insert(range);
  taken_.insert(range);
}

bool Subscription::hold(base::Epoch epoch, const Ranges& ranges) {
  held_.add(epoch, ranges);
  if (dead_.any_in(ranges.front())) {
    for (const base::SequenceRange& range : ranges) dead_.lease(range);
    return false;
  }
  taken_.insert(ranges);
  in_flight_ += count_messages(ranges);
  if (!suspects_.empty()) suspects_.erase(ranges);
  const base::SequenceRange whole = hull(ranges);
  if (delays_.contains_any(whole)) {
    for (const base::SequenceRange& range : ranges) end_delay(range);
  }
  if (retries_.empty() || !retries_.any_in(whole)) return false;
  bool any_stalled = false;
  for (const base::SequenceRange& range : ranges) {
    retries_.leased(range);
    any_stalled = any_stalled || retries_.next_stalled(range.first, range.last).has_value();
  }
  return any_stalled;
}

void Subscription::remove(const Ranges& ranges) {
  if (ranges.empty()) return;
  gone_.insert(ranges);
  const base::SequenceRange whole = hull(ranges);
  if (!taken_.contains_all(whole)) taken_.insert(ranges);
  const auto any_of = [&](const storage::SequenceSet& set) {
    return !set.empty() && set.contains_any(whole);
  };
  const bool any = any_of(delays_) || (!retries_.empty() && retries_.any_in(whole)) ||
                   any_of(suspects_) || any_of(damaged_) || any_of(passed_) || any_of(unexpiring_);
  if (!any) return;
  for (const base::SequenceRange& range : ranges) forget_exceptions(range);
}

void Subscription::forget_exceptions(base::SequenceRange range) {
  end_delay(range);
  if (!retries_.empty()) retries_.forget(range);
  if (!suspects_.empty()) suspects_.erase(range);
  if (!damaged_.empty()) damaged_.erase(range);
  if (!passed_.empty()) passed_.erase(range);
  if (!unexpiring_.empty()) unexpiring_.erase(range);
}

void Subscription::release(base::SequenceRange range) {
  if (dead_.any_in(range)) {
    dead_order.give_back(dead_, range);
  } else {
    make_ready(range);
  }
}

void Subscription::retry(base::Sequence sequence, const MessageState& state) {
  end_delay({sequence, sequence});
  retries_.wait(sequence, state);
  if (state.due == base::WallTime()) {
    make_ready({sequence, sequence});
  } else {
    taken_.insert(sequence);
  }
}

void Subscription::bury(base::Sequence sequence, const DeadLetter& letter, bool keeps_deliver_at) {
  if (!keeps_deliver_at) end_delay({sequence, sequence});
  dead_.add(sequence, letter);
  dead_order.grow();
}

void Subscription::discard(base::Sequence sequence) {
  dead_.erase(sequence);
  end_delay({sequence, sequence});
}

void Subscription::revive(base::Sequence sequence, bool expires, bool due) {
  dead_.erase(sequence);
  gone_.erase(sequence);
  if (due || !delays_.contains(sequence)) taken_.erase(sequence);
  if (expires) unexpiring_.insert(sequence);
}

void Subscription::rewind(base::SequenceRange range) {
  gone_.erase(range);
  taken_.erase(range);
}

Ranges Subscription::without_dead(Ranges ranges) const {
  if (dead_.count() == 0 || ranges.empty()) return ranges;
  dead_.sequences().for_each_range(ranges.front().first, ranges.back().last,
                                   [&](base::SequenceRange dead) {
                                     cut_range(ranges, dead);
                                     return true;
                                   });
  return ranges;
}

void Subscription::wake(base::Sequence sequence) {
  // Time may come round again (a clock that was set back): what was found damaged stays so.
  if (!passed_.empty() && passed_.contains(sequence)) return;
  make_ready({sequence, sequence});
}

void Subscription::wake_delayed(base::SequenceRange range) {
  if (delays_.empty()) return;
  delays_.for_each_range(range.first, range.last, [this](base::SequenceRange run) {
    for (const base::SequenceRange& part : without_dead({run})) make_ready(part);
    if (passed_.empty()) return true;
    passed_.for_each_range(run.first, run.last, [this](base::SequenceRange bad) {
      taken_.insert(bad);
      return true;
    });
    return true;
  });
}

void Subscription::pass_over(base::SequenceRange range) {
  taken_.insert(range);
  if (!suspects_.empty()) suspects_.erase(range);
  passed_.insert(range);
}

void Subscription::quarantine(base::SequenceRange range) {
  end_delay(range);
  if (!retries_.empty()) retries_.forget(range);
  if (!suspects_.empty()) suspects_.erase(range);
  if (!passed_.empty()) passed_.erase(range);
  taken_.insert(range);
  damaged_.insert(range);
}

void Subscription::end_quarantine(base::SequenceRange range) {
  damaged_.erase(range);
  taken_.erase(range);
}

std::optional<base::SequenceRange> Subscription::next_ready(base::Sequence from) const {
  const base::Sequence first = taken_.next_not_in(std::max(from, taken_.floor()));
  if (first >= stream_.next()) return std::nullopt;
  const std::optional<base::Sequence> end = taken_.next_in(first);
  return base::SequenceRange{first, (end ? std::min(*end, stream_.next()) : stream_.next()) - 1};
}

void Subscription::list_ready(base::SequenceRange within, std::size_t runs_max, Ranges& out) const {
  within.last = std::min(within.last, stream_.next() - 1);
  if (within.first <= within.last) taken_.list_gaps(within, runs_max, out);
}

std::optional<base::Sequence> Subscription::lowest_suspect() const {
  return suspects_.next_in(base::Sequence(0));
}

std::uint64_t Subscription::ready() const {
  return stream_.next().value() - taken_.count() + suspects_.count();
}

std::uint64_t Subscription::delayed() const {
  return taken_.count() - suspects_.count() - gone_.count() - in_flight_ - damaged();
}

bool Subscription::drained() const {
  return gone_.count() == stream_.next().value() && dead_.count() == 0;
}

std::optional<base::Sequence> Subscription::oldest() const {
  std::optional<base::Sequence> lowest = lowest_suspect();
  const auto offer = [&](base::Sequence sequence) {
    if (!lowest || sequence < *lowest) lowest = sequence;
  };
  if (const auto ready_run = next_ready(base::Sequence(1))) offer(ready_run->first);
  auto held_first = held().next_in(base::Sequence(1));
  while (held_first && dead_.is_leased(*held_first)) {
    held_first = held().next_in(dead_.leased().next_not_in(*held_first));
  }
  if (held_first) offer(*held_first);
  return lowest;
}

Ranges Subscription::idle_in(base::SequenceRange range) const {
  Ranges idle;
  gone_.list_gaps(range, std::numeric_limits<std::size_t>::max(), idle);
  if (idle.empty()) return idle;
  Ranges others;
  const auto cut_all_of = [&](const storage::SequenceSet& set) {
    if (set.empty()) return;
    others.clear();
    set.for_each_range(range.first, range.last, [&](base::SequenceRange run) {
      others.push_back(run);
      return true;
    });
    cut_ranges(idle, others);
  };
  cut_all_of(held());
  cut_all_of(damaged_);
  return idle;
}

Ranges Subscription::idle_in(const Ranges& ranges) const {
  if (ranges.empty()) return {};
  const auto any_of = [&](const storage::SequenceSet& set) {
    return set.contains_any(hull(ranges)) && set.contains_any(ranges);
  };
  if (!any_of(gone_) && !any_of(held()) && !any_of(damaged_)) return ranges;
  Ranges idle;
  for (const base::SequenceRange& range : ranges) {
    for (const base::SequenceRange& part : idle_in(range)) idle.push_back(part);
  }
  return idle;
}

Ranges Subscription::quarantined_in(base::SequenceRange range) const {
  Ranges found;
  damaged_.for_each_range(range.first, range.last, [&](base::SequenceRange run) {
    found.push_back(run);
    return true;
  });
  return found;
}

std::optional<base::SequenceRange> Subscription::next_kept(base::Sequence from) const {
  std::optional<base::SequenceRange> kept = next_held(from);
  if (damaged_.empty()) return kept;
  const std::optional<base::Sequence> bad = damaged_.next_in(from);
  if (!bad || (kept && kept->first <= *bad)) return kept;
  return base::SequenceRange{*bad, damaged_.next_not_in(*bad) - 1};
}

bool Subscription::has_entries_in(base::SequenceRange range) const {
  return retries_.any_in(range) || delays_.contains_any(range) || stream_.expiry().any_in(range);
}

Ranges Subscription::idle_dead_in(base::SequenceRange range) const {
  Ranges idle;
  dead_.sequences().for_each_range(range.first, range.last, [&](base::SequenceRange run) {
    idle.push_back(run);
    return true;
  });
  dead_.leased().for_each_range(range.first, range.last, [&](base::SequenceRange run) {
    cut_range(idle, run);
    return true;
  });
  return idle;
}

std::optional<base::SequenceRange> Subscription::next_held(base::Sequence from) const {
  const auto first = held().next_in(from);
  if (!first) return std::nullopt;
  return base::SequenceRange{*first, held().next_not_in(*first) - 1};
}

void Subscription::begin(storage::SequenceSet gone) {
  gone_ = std::move(gone);
  taken_ = gone_;
}

void Subscription::restore(storage::SequenceSet gone, storage::SequenceSet unexpiring) {
  begin(std::move(gone));
  unexpiring_ = std::move(unexpiring);
}

void Subscription::restore_state(base::Sequence sequence, const MessageState& state) {
  retries_.wait(sequence, state);
  if (state.due != base::WallTime()) {
    taken_.insert(sequence);
  } else if (state.stalls > 0) {
    taken_.insert(sequence);
    suspects_.insert(sequence);
  }
}

void Subscription::restore_dead(base::Sequence sequence, const DeadLetter& letter) {
  dead_.add(sequence, letter);
}

void Subscription::restore_delays(storage::SequenceSet delays) {
  insert_all(delays, taken_);
  delays_ = std::move(delays);
}

void Subscription::restore_retries(storage::SequenceSet known, storage::SequenceSet waiting,
                                   storage::SequenceSet stalled) {
  insert_all(waiting, taken_);
  insert_all(stalled, taken_);
  suspects_ = stalled;
  if (!suspects_.empty()) {
    waiting.for_each_range(base::Sequence(0), stream_.next(), [this](base::SequenceRange run) {
      suspects_.erase(run);
      return true;
    });
  }
  retries_.restore(std::move(known), std::move(waiting), std::move(stalled));
}

void Subscription::restore_dead(storage::SequenceSet dead, std::uint64_t bytes) {
  dead_.restore(std::move(dead), bytes);
}

void Subscription::restore_quarantine(storage::SequenceSet damaged) {
  insert_all(damaged, taken_);
  damaged_ = std::move(damaged);
}

void Subscription::flush() const {
  retries_.flush();
  dead_.flush();
}

// Nobody waits any more for their deliver-ats. Dead letters keep theirs.
void Subscription::end_delay(base::SequenceRange range) {
  if (delays_.empty() || !delays_.contains_any(range)) return;
  Ranges over;
  delays_.for_each_range(range.first, range.last, [&](base::SequenceRange run) {
    over.push_back(run);
    return true;
  });
  over = without_dead(std::move(over));
  for (const base::SequenceRange& run : over) {
    delays_.erase(run);
    stream_.end_delay(run);
  }
}

void Subscription::make_ready(base::SequenceRange range) {
  base::Sequence from = range.first;
  if (!retries_.empty()) {
    while (const auto stalled = retries_.next_stalled(from, range.last)) {
      if (from < *stalled) taken_.erase({from, *stalled - 1});
      suspects_.insert(*stalled);
      from = *stalled + 1;
      if (range.last < from) return;
    }
  }
  taken_.erase({from, range.last});
}

}  // namespace sluice::broker
