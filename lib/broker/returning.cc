#include "broker/returning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/buggify.h"
#include "base/cover.h"
#include "broker/dead_delivery.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

constexpr std::size_t kEntriesPerFact = 2000;
// Of a log whose dead letters keep a deliver-at that has not come.
constexpr std::uint32_t kDeliverAtLevel = 2;
constexpr std::uint16_t kCounterMax = std::numeric_limits<std::uint16_t>::max();
// A due time stays far from the ends of the clock.
constexpr std::int64_t kDelayMsMax = std::int64_t{100} * 365 * 24 * 3600 * 1000;

std::uint16_t one_more(std::uint16_t counter) {
  return counter == kCounterMax ? counter : static_cast<std::uint16_t>(counter + 1);
}

// Writes a fact that has `entries`, in as many records as that takes.
template <typename Fact, typename Entry>
void record_entries(Core& core, Subscription& subscription, Fact fact,
                    const std::vector<Entry>& entries) {
  for (std::size_t at = 0; at < entries.size(); at += kEntriesPerFact) {
    const std::size_t end = std::min(entries.size(), at + kEntriesPerFact);
    fact.entries.assign(entries.begin() + static_cast<std::ptrdiff_t>(at),
                        entries.begin() + static_cast<std::ptrdiff_t>(end));
    core.record(subscription, fact);
  }
}

MessageState state_of(const Subscription& subscription, Sequence sequence) {
  return subscription.retries().find(sequence).value_or(MessageState{});
}

// Splits off what expired while it was leased.
struct ByTime {
  Ranges live;
  Ranges expired;
};
ByTime by_time(base::Now now, const Subscription& subscription, const Ranges& ranges) {
  const TimedRuns& expiry = subscription.stream().expiry();
  if (expiry.empty()) return {ranges, {}};
  ByTime split;
  for (const SequenceRange& range : ranges) {
    Ranges live{range};
    expiry.for_each_in(range, [&](SequenceRange part, base::WallTime at) {
      if (now.wall < at) return;
      subscription.unexpiring().for_each_gap(part.first, part.last, [&](SequenceRange over) {
        cut_range(live, over);
        append_range(split.expired, over);
        return true;
      });
    });
    for (const SequenceRange& part : live) append_range(split.live, part);
  }
  return split;
}

base::WallTime due_after(base::Now now, base::Millis delay) {
  const std::int64_t ms = std::clamp<std::int64_t>(delay.count(), 0, kDelayMsMax);
  // 0 would mean that it is not waiting.
  return std::max(base::WallTime(1), now.wall + ms);
}

storage::DeadEntry dead_entry(Sequence sequence, const MessageState& state) {
  return {sequence, state.attempts, state.stalls, state.first_failed};
}

// One more failure or stall of each message: waits for its backoff, or is dead.
class Verdict {
 public:
  Verdict(Core& core, base::Now now, Subscription& subscription)
      : core_(core),
        now_(now),
        subscription_(subscription),
        queue_(subscription.stream().queue()) {}

  // `judge(state)` counts, and returns how long to wait; nullopt = dead.
  template <typename Judge>
  void judge(const Ranges& ranges, Judge&& judge) {
    for (const SequenceRange& range : ranges) {
      for (Sequence at = range.first; at <= range.last; ++at) {
        MessageState state = state_of(subscription_, at);
        const std::optional<base::Millis> delay = judge(state);
        if (delay) {
          retries_.push_back({at, state.attempts, state.stalls, due_after(now_, *delay)});
        } else {
          dead_.push_back(dead_entry(at, state));
        }
      }
    }
  }

  // Writes it down.
  template <typename Fact>
  void record(Fact retry, storage::DeadFact death) {
    retry.key = subscription_.key();
    retry.at = now_.wall;
    record_entries(core_, subscription_, std::move(retry), retries_);
    if (dead_.empty()) return;
    death.key = subscription_.key();
    death.at = now_.wall;
    queue_.totals(subscription_.id()).dead_by_reason[death.reason] += dead_.size();
    record_entries(core_, subscription_, std::move(death), dead_);
    trim_dead_letters(core_, queue_, subscription_.id());
  }

 private:
  Core& core_;
  const base::Now now_;
  Subscription& subscription_;
  Queue& queue_;
  std::vector<storage::RetryEntry> retries_;
  std::vector<storage::DeadEntry> dead_;
};

struct ByNumber {
  bool operator()(const Subscription* a, const Subscription* b) const {
    return a->number() < b->number();
  }
};

// All of one lease are, or none.
bool are_dead(const Subscription& subscription, const Ranges& ranges) {
  return !ranges.empty() && subscription.dead().any_in(ranges.front());
}

}  // namespace

void give_back(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
               storage::ReleaseCause cause) {
  if (are_dead(subscription, ranges)) {
    return return_dead(core, now, subscription, ranges, cause, base::Millis(0));
  }
  ByTime split = by_time(now, subscription, ranges);
  storage::ReleasedFact fact;
  fact.key = subscription.key();
  fact.cause = cause;
  record_ranges(core, subscription, std::move(fact), split.live);
  subscription.stream().queue().totals(subscription.id()).released += count_messages(split.live);
  expire(core, now, subscription, split.expired);
}

void fail(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
          const Failure& failure) {
  Queue& queue = subscription.stream().queue();
  const DeliveryConfig& settings = queue.settings(subscription.id()).delivery;
  const ByTime split = by_time(now, subscription, ranges);
  queue.totals(subscription.id()).failed += count_messages(split.live);
  Verdict verdict(core, now, subscription);
  verdict.judge(split.live, [&](MessageState& state) -> std::optional<base::Millis> {
    state.attempts = one_more(state.attempts);
    const bool over =
        settings.max_attempts != 0 &&
        state.attempts >= settings.max_attempts + (PLANTED("one_attempt_too_many") ? 1 : 0);
    if (over) {
      COVER("dead after the last attempt");
      return std::nullopt;
    }
    if (failure.delay) return failure.delay;
    return backoff_delay(settings.backoff, state.attempts, core.prng);
  });
  storage::FailedFact failed;
  failed.error = failure.error;
  failed.consumer = failure.consumer;
  storage::DeadFact dead;
  dead.reason = storage::DeadReason::kAttemptsExceeded;
  dead.error = failure.error;
  dead.consumer = failure.consumer;
  verdict.record(std::move(failed), std::move(dead));
  expire(core, now, subscription, split.expired);
}

void stall(Core& core, base::Now now, const Lease& lease, const Ranges& ranges,
           const std::string& consumer) {
  Subscription& subscription = *lease.subscription;
  Queue& queue = subscription.stream().queue();
  const DeliveryConfig& settings = queue.settings(subscription.id()).delivery;
  if (lease.dead) {
    // They rest, so that one that takes its consumers down does not do so all the time.
    return return_dead(core, now, subscription, ranges, storage::ReleaseCause::kConsumer,
                       backoff_delay(settings.backoff, 1, core.prng));
  }
  const ByTime split = by_time(now, subscription, ranges);
  queue.totals(subscription.id()).stalled += count_messages(split.live);
  Verdict verdict(core, now, subscription);
  verdict.judge(split.live, [&](MessageState& state) -> std::optional<base::Millis> {
    state.stalls = one_more(state.stalls);
    const bool over = settings.max_stalls != 0 && state.stalls >= settings.max_stalls;
    if (lease.suspect && over) {
      COVER("dead after the last stall");
      return std::nullopt;
    }
    return backoff_delay(settings.backoff, state.stalls, core.prng);
  });
  storage::StalledFact stalled;
  stalled.consumer = consumer;
  storage::DeadFact dead;
  dead.reason = storage::DeadReason::kStallsExceeded;
  dead.consumer = consumer;
  verdict.record(std::move(stalled), std::move(dead));  // the lease may be over
  expire(core, now, subscription, split.expired);
}

void kill(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
          const Death& death) {
  Queue& queue = subscription.stream().queue();
  std::vector<storage::DeadEntry> entries;
  for (const SequenceRange& range : ranges) {
    for (Sequence at = range.first; at <= range.last; ++at) {
      entries.push_back(dead_entry(at, state_of(subscription, at)));
    }
  }
  if (entries.empty()) return;
  storage::DeadFact fact;
  fact.key = subscription.key();
  fact.reason = death.reason;
  fact.error = death.error;
  fact.consumer = death.consumer;
  fact.at = now.wall;
  fact.keeps_deliver_at =
      core.log.feature_level() >= kDeliverAtLevel && subscription.delays().contains_any(ranges);
  queue.totals(subscription.id()).dead_by_reason[death.reason] += entries.size();
  record_entries(core, subscription, std::move(fact), entries);
  trim_dead_letters(core, queue, subscription.id());
}

void expire(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges) {
  if (ranges.empty()) return;
  COVER("messages expired");
  Queue& queue = subscription.stream().queue();
  queue.totals(subscription.id()).expired += count_messages(ranges);
  if (queue.config().expiry_action == ExpiryAction::kDeadLetter) {
    kill(core, now, subscription, ranges, {storage::DeadReason::kExpired, "", ""});
    return;
  }
  remove(core, subscription, storage::RemoveCause::kExpired, ranges);
}

void remove(Core& core, Subscription& subscription, storage::RemoveCause cause,
            const Ranges& ranges) {
  if (ranges.empty()) return;
  storage::RemovedFact fact;
  fact.key = subscription.key();
  fact.cause = cause;
  subscription.stream().queue().totals(subscription.id()).removed_by_cause[cause] +=
      count_messages(ranges);
  record_ranges(core, subscription, std::move(fact), ranges);
}

std::uint64_t entries_in(const Subscription& subscription, SequenceRange range) {
  return subscription.retries().known().count_in(range) + subscription.delays().count_in(range) +
         subscription.stream().expiry().known().count_in(range);
}

bool dead_letters_full(const Queue& queue, base::SubscriptionId id) {
  const DeadLetterConfig& settings = queue.settings(id).dead_letter;
  if (settings.overflow != DeadOverflow::kBlock) return false;
  return (settings.bytes_max > 0 && queue.dead_bytes(id) >= settings.bytes_max) ||
         (settings.messages_max > 0 && queue.dead_messages(id) >= settings.messages_max);
}

void trim_dead_letters(Core& core, Queue& queue, base::SubscriptionId id) {
  const DeadLetterConfig& settings = queue.settings(id).dead_letter;
  if (settings.overflow == DeadOverflow::kBlock) return;
  std::uint64_t bytes = queue.dead_bytes(id);
  std::uint64_t messages = queue.dead_messages(id);
  const auto fits = [&] {
    return (settings.bytes_max == 0 || bytes <= settings.bytes_max) &&
           (settings.messages_max == 0 || messages <= settings.messages_max);
  };
  if (fits()) return;
  struct Letter {
    base::Lsn died;
    Sequence sequence;
    std::uint64_t bytes = 0;
    Subscription* subscription = nullptr;
  };
  std::vector<Letter> oldest;  // of each shard
  for (const auto& stream : queue.streams()) {
    Subscription* subscription = stream->find(id);
    const DeadLetters& dead = subscription->dead();
    const auto& first = dead.oldest();
    if (!first) continue;
    std::uint64_t left = kTrimmedPerStep;
    dead.for_each_from(first->letter.record, first->sequence,
                       [&](Sequence sequence, const DeadLetter& letter) {
                         if (!dead.is_leased(sequence)) {
                           oldest.push_back({letter.record, sequence, letter.bytes, subscription});
                         }
                         return --left > 0;
                       });
  }
  std::sort(oldest.begin(), oldest.end(), [](const Letter& a, const Letter& b) {
    return std::pair(a.died, a.sequence) < std::pair(b.died, b.sequence);
  });
  std::map<Subscription*, Ranges, ByNumber> going;
  std::uint64_t count = 0;
  for (const Letter& letter : oldest) {
    if (fits() || count == kTrimmedPerStep) break;
    going[letter.subscription].push_back({letter.sequence, letter.sequence});
    bytes -= std::min(bytes, letter.bytes);
    --messages;
    ++count;
  }
  for (auto& [subscription, ranges] : going) {
    normalise(ranges);
    remove(core, *subscription, storage::RemoveCause::kDeadExpired, ranges);
  }
  if (count > 0 && !fits()) core.overfull.emplace(queue.id(), id);
}

base::Millis backoff_delay(const BackoffConfig& config, std::uint32_t count, base::Prng& prng) {
  const double longest = static_cast<double>(std::max<std::int64_t>(0, config.max.count()));
  const double first = static_cast<double>(std::max<std::int64_t>(0, config.initial.count()));
  const double grown = first * std::pow(config.multiplier, static_cast<double>(count) - 1.0);
  const double delay = std::isfinite(grown) ? std::clamp(grown, 0.0, longest) : longest;
  const double jitter = std::clamp(config.jitter, 0.0, 1.0);
  return base::Millis(static_cast<std::int64_t>(delay - delay * jitter * prng.unit()));
}

}  // namespace sluice::broker
