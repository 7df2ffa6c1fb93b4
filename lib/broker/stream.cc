#include "broker/stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

void Stream::extend(base::SequenceRange range, std::uint64_t body_bytes, bool uniform,
                    base::WallTime accepted_at) {
  CHECK(range.first == next_);
  next_ = range.last + 1;
  ledger_.add(range, body_bytes, uniform);
  if (retained_) retained_->add(range, body_bytes, uniform, accepted_at);
}

void Stream::expect(base::Sequence last) {
  if (last < next_) return;
  // Nothing is known of them but that they exist; they are damaged for whoever wants to read them.
  ledger_.add({next_, last}, 0, false);
  doubt({next_, last});
  if (retained_) retained_->add({next_, last}, 0, false, base::WallTime());
  next_ = last + 1;
}

void Stream::delay(base::SequenceRange range, base::WallTime due) {
  if (subscriptions_.empty()) return;
  delays_.add(range, due);
  for (const auto& subscription : subscriptions_) subscription->delay(range);
}

void Stream::end_delay(base::SequenceRange range) {
  Ranges over{range};
  for (const auto& subscription : subscriptions_) {
    subscription->delays().for_each_range(range.first, range.last, [&](base::SequenceRange run) {
      cut_range(over, run);
      return true;
    });
  }
  for (const base::SequenceRange& run : over) delays_.cut(run);
}

void Stream::restore_delay(Subscription& subscription, base::SequenceRange range,
                           base::WallTime due) {
  Ranges fresh;
  delays_.known().for_each_gap(range.first, range.last, [&](base::SequenceRange gap) {
    fresh.push_back(gap);
    return true;
  });
  for (const base::SequenceRange& run : fresh) delays_.add(run, due);
  subscription.delay(range);
}

void Stream::jump(std::uint64_t count) {
  if (count == 0) return;
  const base::SequenceRange skipped{next_, next_ + (count - 1)};
  next_ = skipped.last + 1;
  for (const auto& subscription : subscriptions_) subscription->remove(skipped);
  if (retained_) retained_->skip(skipped);
}

// Calls fn for the parts of `range` that are gone from all subscriptions but `but` (none: nullptr).
template <typename Fn>
void Stream::for_each_gone_elsewhere(const Subscription* but, base::SequenceRange range,
                                     std::size_t index, Fn&& fn) const {
  if (index == subscriptions_.size()) {
    fn(range);
    return;
  }
  if (subscriptions_[index].get() == but) {
    for_each_gone_elsewhere(but, range, index + 1, fn);
    return;
  }
  subscriptions_[index]->gone().for_each_range(range.first, range.last,
                                               [&](base::SequenceRange part) {
                                                 for_each_gone_elsewhere(but, part, index + 1, fn);
                                                 return true;
                                               });
}

void Stream::remove(Subscription& subscription, const Ranges& ranges) {
  if (ranges.empty()) return;
  Ranges fresh;
  const Ranges* parts = &ranges;
  if (subscription.gone().contains_any(ranges)) {
    for (const base::SequenceRange& range : ranges) {
      subscription.gone().for_each_gap(range.first, range.last, [&](base::SequenceRange gap) {
        fresh.push_back(gap);
        return true;
      });
    }
    parts = &fresh;
  }
  subscription.remove(ranges);
  if (parts->empty()) return;
  Ranges everywhere;
  const bool gone_elsewhere =
      std::all_of(subscriptions_.begin(), subscriptions_.end(), [&](const auto& other) {
        return other.get() == &subscription || parts->back().last < other->gone().floor();
      });
  if (!gone_elsewhere) {
    // One that has them all yet is usual: it reads behind this one.
    const bool kept_elsewhere =
        std::any_of(subscriptions_.begin(), subscriptions_.end(), [&](const auto& other) {
          return other.get() != &subscription && !other->gone().contains_any(hull(*parts));
        });
    if (kept_elsewhere) return;
    for (const base::SequenceRange& gap : *parts) {
      for_each_gone_elsewhere(&subscription, gap, 0,
                              [&](base::SequenceRange part) { everywhere.push_back(part); });
    }
    parts = &everywhere;
  }
  ledger_.remove(*parts);
  // What may be replayed expires all the same.
  if (retained_ || expiry_.empty()) return;
  for (const base::SequenceRange& part : *parts) expiry_.cut(part);
}

void Stream::bury(Subscription& subscription, base::Sequence sequence, DeadLetter letter,
                  bool keeps_deliver_at) {
  letter.bytes = ledger_.size_of(sequence);
  subscription.bury(sequence, letter, keeps_deliver_at);
  remove(subscription, {sequence, sequence});
}

void Stream::revive(Subscription& subscription, base::Sequence sequence) {
  const auto letter = subscription.dead().find(sequence);
  const std::uint64_t bytes = letter ? letter->bytes : 0;
  for_each_gone_elsewhere(&subscription, {sequence, sequence}, 0,
                          [&](base::SequenceRange) { ledger_.put_back(sequence, bytes); });
  const bool due = subscription.delays().contains(sequence) && delays_.is_popped(sequence);
  subscription.revive(sequence, expiry_.any_in({sequence, sequence}), due);
}

Ranges Stream::rewindable(const Subscription& subscription, base::SequenceRange range) const {
  Ranges wanted;
  const auto add_settled = [&](base::SequenceRange gap) {
    subscription.gone().for_each_range(gap.first, gap.last, [&](base::SequenceRange part) {
      wanted.push_back(part);
      return true;
    });
    return true;
  };
  if (retained_) retained_->dropped().for_each_gap(range.first, range.last, add_settled);
  for (const auto& other : subscriptions_) {
    if (other.get() == &subscription) continue;
    other->gone().for_each_gap(range.first, range.last, add_settled);
  }
  normalise(wanted);
  return subscription.without_dead(std::move(wanted));
}

void Stream::rewind(Subscription& subscription, base::SequenceRange range) {
  for (const base::SequenceRange& part : rewindable(subscription, range)) {
    count_again(subscription, part);
    subscription.rewind(part);
    delays_.known().for_each_range(part.first, part.last, [&](base::SequenceRange delayed) {
      subscription.delay(delayed);
      return true;
    });
  }
  expiry_.rearm();
  if (!subscription.delays().empty()) delays_.rearm();
}

// `subscription` is about to have them to settle again: what nobody else has counts again. Only
// retention keeps such messages.
void Stream::count_again(const Subscription& subscription, base::SequenceRange range) {
  if (!retained_) return;
  for_each_gone_elsewhere(&subscription, range, 0, [this](base::SequenceRange part) {
    ledger_.put_back(part, retained_->sizes());
  });
}

void Stream::set_retaining(bool on) {
  if (on == retained_.has_value()) return;
  if (on) {
    // What everybody has settled may be gone from the log already.
    retained_.emplace(unavailable(), ledger_);
    return;
  }
  // Times of messages that nobody has to settle any more.
  retained_->dropped().for_each_gap(base::Sequence(1), next_, [&](base::SequenceRange kept) {
    for_each_gone_elsewhere(nullptr, kept, 0,
                            [this](base::SequenceRange part) { expiry_.cut(part); });
    return true;
  });
  retained_.reset();
}

void Stream::drop(base::SequenceRange range) {
  for (const auto& subscription : subscriptions_) remove(*subscription, range);
  expiry_.cut(range);
  if (retained_) retained_->drop(range);
}

// What a new subscription cannot have: it was settled or removed by everybody, or dropped.
storage::SequenceSet Stream::unavailable() const {
  storage::SequenceSet gone;
  if (retained_) {
    gone = retained_->dropped();
  } else if (subscriptions_.empty()) {
    gone.insert(base::Sequence(0));
    return gone;
  } else {
    gone = subscriptions_.front()->gone();
  }
  for (const auto& subscription : subscriptions_) {
    Ranges here;
    subscription->gone().for_each_gap(base::Sequence(0), next_, [&](base::SequenceRange r) {
      here.push_back(r);
      return true;
    });
    for (const base::SequenceRange& range : here) gone.erase(range);
  }
  return gone;
}

Subscription& Stream::add_subscription(base::SubscriptionId id, std::uint64_t number,
                                       base::Sequence begin) {
  storage::SequenceSet gone = unavailable();
  gone.insert({base::Sequence(0), begin - 1});
  Subscription& added = restore_subscription(id, number);
  if (begin < next_) {
    gone.for_each_gap(begin, next_ - 1, [&](base::SequenceRange gap) {
      count_again(added, gap);
      return true;
    });
  }
  added.begin(std::move(gone));
  for (const auto& other : subscriptions_) {
    if (other.get() == &added) continue;
    other->delays().for_each_range(base::Sequence(1), next_, [&](base::SequenceRange range) {
      for (const base::SequenceRange& part : added.idle_in(range)) added.delay(part);
      return true;
    });
  }
  expiry_.rearm();
  if (!added.delays().empty()) delays_.rearm();
  return added;
}

Subscription& Stream::restore_subscription(base::SubscriptionId id, std::uint64_t number) {
  const auto at = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                               [&](const auto& other) { return id <= other->id(); });
  CHECK(at == subscriptions_.end() || (*at)->id() != id);
  return **subscriptions_.insert(at, std::make_unique<Subscription>(*this, id, number, side_));
}

void Stream::remove_subscription(base::SubscriptionId id) {
  const auto at = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                               [&](const auto& subscription) { return subscription->id() == id; });
  if (at == subscriptions_.end()) return;
  const std::unique_ptr<Subscription> removed = std::move(*at);
  subscriptions_.erase(at);
  removed->delays().for_each_range(base::Sequence(1), next_, [this](base::SequenceRange range) {
    end_delay(range);
    return true;
  });
}

Subscription* Stream::find(base::SubscriptionId id) const {
  for (const auto& subscription : subscriptions_) {
    if (subscription->id() == id) return subscription.get();
  }
  return nullptr;
}

std::optional<base::SequenceRange> Stream::next_idle(base::Sequence from) const {
  while (from < next_) {
    std::optional<base::SequenceRange> run;
    for (const auto& subscription : subscriptions_) {
      const auto gap = subscription->gone().next_gap({from, next_ - 1});
      if (gap && (!run || gap->first < run->first)) run = *gap;
    }
    if (!run) return std::nullopt;
    bool is_held = false;
    for (const auto& subscription : subscriptions_) {
      const std::optional<base::SequenceRange> held = subscription->next_kept(run->first);
      if (!held) continue;
      if (held->first <= run->first) {
        from = held->last + 1;
        is_held = true;
        break;
      }
      run->last = std::min(run->last, held->first - 1);
    }
    if (!is_held) return run;
  }
  return std::nullopt;
}

std::uint64_t Stream::wanted_in(base::SequenceRange range) const {
  if (subscriptions_.size() == 1) {
    return range.count() - subscriptions_.front()->gone().count_in(range);
  }
  std::uint64_t gone = 0;
  for_each_gone_elsewhere(nullptr, range, 0,
                          [&](base::SequenceRange part) { gone += part.count(); });
  return range.count() - gone;
}

std::optional<base::SequenceRange> Stream::next_live(base::SequenceRange within) const {
  std::optional<base::SequenceRange> next;
  const auto take = [&next](const std::optional<base::SequenceRange>& run) {
    if (!run || (next && next->first < run->first)) return;
    const bool together = next && next->first == run->first;
    next = {run->first, together ? std::max(next->last, run->last) : run->last};
  };
  if (retained_) take(retained_->dropped().next_gap(within));
  for (const auto& subscription : subscriptions_) {
    take(subscription->gone().next_gap(within));
    take(subscription->dead().sequences().next_range(within));
  }
  return next;
}

}  // namespace sluice::broker
