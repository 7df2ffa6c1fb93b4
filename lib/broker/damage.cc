#include "broker/damage.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

// Of large messages, in one call or one start: as much as the loop may read at once.
constexpr std::uint64_t kLargeBytesMax = 64ULL << 20;

// What storage says of a large message is what was found so far, so each piece is looked at, while
// there is something left of `budget`. Nothing where that does not suffice, or the disk gives an
// error.
std::optional<bool> is_readable(Core& core, const storage::EntrySlice& slice,
                                std::uint64_t& budget) {
  if (slice.damaged || !slice.large()) return !slice.damaged;
  if (budget < slice.bytes) return std::nullopt;
  budget -= slice.bytes;
  for (std::uint64_t at = 0; at < slice.bytes;) {
    const base::Result<base::ByteView> piece = core.messages.read_piece(slice, at);
    if (piece) {
      at += piece->size();
    } else if (piece.error().code() == base::ErrorCode::kCorruption) {
      return false;
    } else {
      return std::nullopt;
    }
  }
  return true;
}

// The messages of `range` that storage has no readable bytes of. What it could not find out (see
// is_readable()) is left out: it may be readable tomorrow, and whoever delivers it sees.
Ranges unreadable_in(Core& core, const Stream& stream, SequenceRange range, std::uint64_t& budget,
                     bool* known = nullptr) {
  Ranges unreadable;
  Sequence at = range.first;
  while (at <= range.last) {
    const auto batch = core.messages.locate(stream.id(), at);
    if (!batch) {
      if (known != nullptr) *known = false;
      return unreadable;
    }
    const bool none = !batch->has_value() || range.last < (*batch)->first;
    if (none || at < (*batch)->first) {
      const Sequence last = none ? range.last : (*batch)->first - 1;
      append_range(unreadable, {at, last});
      at = last + 1;
      continue;
    }
    const Sequence last = std::min(range.last, (*batch)->last());
    const auto slice = core.messages.slice(**batch, at, last, (*batch)->entries_bytes);
    const std::optional<bool> readable = slice ? is_readable(core, *slice, budget) : std::nullopt;
    if (!readable) {
      if (known != nullptr) *known = false;
      at = last + 1;
      continue;
    }
    const SequenceRange part{slice->first, slice->first + (slice->count - 1)};
    if (!*readable) append_range(unreadable, part);
    at = part.last + 1;
  }
  return unreadable;
}

Ranges all_quarantined(const Subscription& subscription) {
  const std::optional<Sequence> last = subscription.quarantined().last();
  return last ? subscription.quarantined_in({Sequence(0), *last}) : Ranges();
}

void record_event(Core& core, base::Now now, Subscription& subscription, storage::DamageEvent event,
                  const Ranges& ranges) {
  storage::DamagedFact fact;
  fact.key = subscription.key();
  fact.event = event;
  fact.at = now.wall;
  record_ranges(core, subscription, std::move(fact), ranges);
}

void recheck(Core& core, base::Now now, Subscription& subscription, std::uint64_t& budget) {
  Ranges readable;
  for (const SequenceRange& range : all_quarantined(subscription)) {
    Ranges good{range};
    // Where the disk gives errors, nothing is known.
    bool known = true;
    for (const SequenceRange& bad :
         unreadable_in(core, subscription.stream(), range, budget, &known)) {
      cut_range(good, bad);
    }
    if (known) readable.insert(readable.end(), good.begin(), good.end());
  }
  if (!readable.empty()) {
    record_event(core, now, subscription, storage::DamageEvent::kReadable, readable);
  }
}

}  // namespace

void quarantine(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
                base::Lsn begin, base::Lsn end) {
  if (ranges.empty()) return;
  if (core.log.feature_level() < kDamagedLevel) {
    for (const SequenceRange& range : ranges) subscription.pass_over(range);
    return;
  }
  storage::DamagedFact fact;
  fact.key = subscription.key();
  fact.event = storage::DamageEvent::kFound;
  fact.begin = begin;
  fact.end = end;
  fact.at = now.wall;
  record_ranges(core, subscription, std::move(fact), ranges);
}

void look_for_damage(Core& core, base::Now now, Stream& stream, SequenceRange range,
                     base::Lsn begin, base::Lsn end) {
  // Below the level delivery passes over what it cannot read.
  if (core.log.feature_level() < kDamagedLevel || stream.next() <= range.first) return;
  range.last = std::min(range.last, stream.next() - 1);
  std::uint64_t budget = kLargeBytesMax;
  const Ranges unreadable = unreadable_in(core, stream, range, budget);
  for (const auto& subscription : stream.subscriptions()) {
    Ranges wanted;
    for (const SequenceRange& one : unreadable) {
      for (const SequenceRange& part : subscription->idle_in(one)) append_range(wanted, part);
    }
    quarantine(core, now, *subscription, wanted, begin, end);
  }
}

void look_again(Core& core, base::Now now) {
  std::uint64_t budget = kLargeBytesMax;
  for (const auto& [id, queue] : core.state.queues) {
    for (const auto& stream : queue->streams()) {
      for (const auto& subscription : stream->subscriptions()) {
        recheck(core, now, *subscription, budget);
      }
      for (const SequenceRange& range : stream->take_doubtful()) {
        look_for_damage(core, now, *stream, range, base::Lsn(), base::Lsn());
      }
    }
  }
}

void discard_damaged(Core& core, base::Now now, const DiscardDamaged& command) {
  DiscardReply reply;
  reply.origin = command.origin;
  const auto refuse = [&](RefusalCode code, std::string message) {
    reply.refusal = {code, std::move(message)};
    core.effects.emit(Wait{}, std::move(reply));
  };
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse(RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex());
  }
  std::vector<base::SubscriptionId> ids = queue->stored().ids;
  if (!command.subscription.empty()) {
    const auto id = queue->find_subscription(command.subscription);
    if (!id) {
      return refuse(RefusalCode::kUnknownSubscription,
                    "queue " + queue->name() + " has no subscription " + command.subscription +
                        "; declared are: " + queue->subscription_names());
    }
    ids = {*id};
  }
  base::Lsn end;
  for (const auto& stream : queue->streams()) {
    for (const base::SubscriptionId id : ids) {
      Subscription& subscription = *stream->find(id);
      if (subscription.quarantined().empty()) continue;
      const Ranges ranges = all_quarantined(subscription);
      reply.messages += count_messages(ranges);
      if (command.dry_run) continue;
      record_event(core, now, subscription, storage::DamageEvent::kDiscarded, ranges);
      end = std::max(end, subscription.last_record_end);
    }
  }
  core.effects.emit(Core::wait_for(*queue, end), std::move(reply));
}

}  // namespace sluice::broker
