#include "broker/retry_book.h"

#include <algorithm>

namespace sluice::broker {

const MessageState* RetryBook::find(base::Sequence sequence) const {
  const auto found = states_.find(sequence);
  return found == states_.end() ? nullptr : &found->second;
}

void RetryBook::wait(base::Sequence sequence, const MessageState& state) {
  MessageState& mine = states_[sequence];
  disarm(sequence, mine);
  texts_.add(state.text);
  texts_.remove(mine.text);
  mine = state;
  mine.fired = false;
  mine.fires = base::MonoTime();
  if (mine.due != base::WallTime()) unarmed_.push_back(sequence);
}

void RetryBook::leased(base::SequenceRange range) {
  for (auto at = states_.lower_bound(range.first); at != states_.end() && at->first <= range.last;
       ++at) {
    disarm(at->first, at->second);
    at->second.fired = false;
    at->second.due = base::WallTime();
  }
}

void RetryBook::forget(base::SequenceRange range) {
  auto at = states_.lower_bound(range.first);
  while (at != states_.end() && at->first <= range.last) {
    disarm(at->first, at->second);
    texts_.remove(at->second.text);
    at = states_.erase(at);
  }
}

void RetryBook::arm(base::Now now) {
  for (const base::Sequence sequence : unarmed_) {
    const auto found = states_.find(sequence);
    if (found == states_.end()) continue;
    MessageState& state = found->second;
    const bool has_timer = state.fires != base::MonoTime();
    if (state.due == base::WallTime() || state.fired || has_timer) continue;
    const std::int64_t wait_ms = std::max<std::int64_t>(0, state.due - now.wall);
    // A timer at 0 would look unarmed.
    const std::int64_t fires = now.mono.value() + wait_ms * base::kNanosPerMilli;
    state.fires = base::MonoTime(std::max<std::int64_t>(1, fires));
    timers_.emplace(state.fires, sequence);
  }
  unarmed_.clear();
}

std::optional<base::MonoTime> RetryBook::earliest() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

std::optional<base::Sequence> RetryBook::pop_due(base::MonoTime now) {
  if (timers_.empty() || now < timers_.begin()->first) return std::nullopt;
  const base::Sequence sequence = timers_.begin()->second;
  MessageState& state = states_.at(sequence);
  disarm(sequence, state);
  state.fired = true;
  return sequence;
}

base::Sequence RetryBook::same_counters_until(base::Sequence first, base::Sequence last) const {
  auto at = states_.lower_bound(first);
  if (at == states_.end() || last < at->first) return last;
  if (first < at->first) return at->first - 1;
  const MessageState& wanted = at->second;
  base::Sequence end = first;
  for (++at; at != states_.end() && at->first == end + 1 && end < last; ++at) {
    if (at->second.attempts != wanted.attempts || at->second.stalls != wanted.stalls) break;
    end = at->first;
  }
  return end;
}

std::optional<base::Sequence> RetryBook::next_stalled(base::Sequence from,
                                                      base::Sequence last) const {
  for (auto at = states_.lower_bound(from); at != states_.end() && at->first <= last; ++at) {
    if (at->second.stalls > 0) return at->first;
  }
  return std::nullopt;
}

void RetryBook::disarm(base::Sequence sequence, MessageState& state) {
  if (state.fires == base::MonoTime()) return;
  timers_.erase({state.fires, sequence});
  state.fires = base::MonoTime();
}

}  // namespace sluice::broker
