#include "broker/subscription.h"

#include <algorithm>
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

bool Subscription::hold(base::Epoch epoch, base::SequenceRange range) {
  if (dead_.any_in(range)) {
    dead_.lease(range);
    CHECK(held_.emplace(range.first, Held{range.last, epoch}).second);
    return false;
  }
  taken_.insert(range);
  if (!suspects_.empty()) suspects_.erase(range);
  end_delay(range);
  in_flight_ += range.count();
  CHECK(held_.emplace(range.first, Held{range.last, epoch}).second);
  if (retries_.empty()) return false;
  retries_.leased(range);
  return retries_.next_stalled(range.first, range.last).has_value();
}

void Subscription::remove(base::SequenceRange range) {
  gone_.insert(range);
  taken_.insert(range);
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

void Subscription::bury(base::Sequence sequence, const DeadLetter& letter) {
  remove({sequence, sequence});
  dead_.add(sequence, letter);
  dead_order.grow();
}

void Subscription::revive(base::Sequence sequence, bool expires) {
  dead_.erase(sequence);
  gone_.erase(sequence);
  taken_.erase(sequence);
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
    make_ready(run);
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
  for (const auto& [first, held] : held_) {
    if (dead_.is_leased(first)) continue;
    offer(first);
    break;
  }
  return lowest;
}

Ranges Subscription::idle_in(base::SequenceRange range) const {
  Ranges idle;
  gone_.for_each_gap(range.first, range.last, [&](base::SequenceRange gap) {
    base::Sequence from = gap.first;
    auto at = held_.upper_bound(from);
    if (at != held_.begin() && from <= std::prev(at)->second.last) --at;
    for (; at != held_.end() && at->first <= gap.last; ++at) {
      if (from < at->first) append_range(idle, {from, at->first - 1});
      from = at->second.last + 1;
    }
    if (from <= gap.last) append_range(idle, {from, gap.last});
    return true;
  });
  if (damaged_.empty()) return idle;
  for (const base::SequenceRange& bad : quarantined_in(range)) cut_range(idle, bad);
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
  auto at = held_.upper_bound(from);
  if (at != held_.begin() && from <= std::prev(at)->second.last) --at;
  if (at == held_.end()) return std::nullopt;
  return base::SequenceRange{at->first, at->second.last};
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

void Subscription::end_delay(base::SequenceRange range) {
  if (delays_.empty() || !delays_.contains_any(range)) return;
  Ranges over;
  delays_.for_each_range(range.first, range.last, [&](base::SequenceRange run) {
    over.push_back(run);
    return true;
  });
  delays_.erase(range);
  for (const base::SequenceRange& run : over) stream_.end_delay(run);
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
