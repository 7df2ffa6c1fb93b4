#include "broker/snapshot_stream.h"

#include <deque>
#include <limits>
#include <utility>

#include "storage/sequence_set.h"

namespace sluice::broker {

namespace {

using base::ByteReader;
using base::ByteWriter;
using base::Sequence;
using base::SequenceRange;
using storage::SequenceSet;

constexpr std::size_t kLedgerRunBytes = 41;
constexpr std::size_t kTimedRunBytes = 24;
constexpr std::size_t kStateBytes = 36;
constexpr std::size_t kDeadBytes = 53;
constexpr std::size_t kMarkBytes = 16;

void put_range(ByteWriter& out, SequenceRange range) {
  out.u64(range.first.value());
  out.u64(range.last.value());
}

// A list of ascending, disjoint ranges below `next`.
class RangeCheck {
 public:
  explicit RangeCheck(Sequence next) : next_(next) {}
  bool next(SequenceRange range) {
    const bool good = last_ < range.first && range.first <= range.last && range.last < next_;
    last_ = range.last;
    return good;
  }

 private:
  Sequence next_;
  Sequence last_;
};

template <typename Fn>
void for_each_run(const SequenceSet& set, Fn&& fn) {
  set.for_each_range(Sequence(0), set.last().value_or(Sequence(0)), fn);
}

template <typename Fn>
void for_each_in(const SequenceSet& set, Fn&& fn) {
  for_each_run(set, [&](SequenceRange run) {
    for (Sequence at = run.first; at <= run.last; ++at) fn(at);
    return true;
  });
}

bool holds_all(const SequenceSet& set, const SequenceSet& others) {
  bool all = true;
  for_each_run(others, [&](SequenceRange run) { return all = set.contains_all(run); });
  return all;
}
bool overlap(const SequenceSet& a, const SequenceSet& b) {
  bool any = false;
  for_each_run(a, [&](SequenceRange run) { return !(any = b.contains_any(run)); });
  return any;
}
// Nobody waits for the deliver-at of a message that is gone; a dead letter may.
bool are_delays(const SequenceSet& delays, const SequenceSet& gone, const SequenceSet& dead) {
  bool good = true;
  for_each_run(delays, [&](SequenceRange run) {
    gone.for_each_range(run.first, run.last,
                        [&](SequenceRange part) { return good = dead.contains_all(part); });
    return good;
  });
  return good;
}
// True for sequences that the stream has given out.
bool are_messages(const SequenceSet& set, const Stream& stream) {
  const auto last = set.last();
  return !set.contains(Sequence(0)) && (!last || *last < stream.next());
}

SequenceRange get_range(ByteReader& in) {
  const Sequence first(in.u64());
  return {first, Sequence(in.u64())};
}

bool get_count(ByteReader& in, std::size_t bytes, std::uint64_t& count) {
  count = in.u64();
  return in.ok() && count <= in.remaining() / bytes;
}

// The runs of `runs` that are in `which`.
void put_timed_runs(ByteWriter& out, const TimedRuns& runs, const SequenceSet& which) {
  std::vector<std::pair<SequenceRange, base::WallTime>> list;
  which.for_each_range(Sequence(0), which.last().value_or(Sequence(0)), [&](SequenceRange part) {
    runs.for_each_joined_in(
        part, [&](SequenceRange range, base::WallTime time) { list.emplace_back(range, time); });
    return true;
  });
  out.u64(list.size());
  for (const auto& [range, time] : list) {
    put_range(out, range);
    out.i64(time.value());
  }
}

template <typename Fn>
bool get_timed_runs(ByteReader& in, Sequence next, Fn&& fn) {
  std::uint64_t count = 0;
  if (!get_count(in, kTimedRunBytes, count)) return false;
  RangeCheck check(next);
  for (std::uint64_t i = 0; i < count; ++i) {
    const SequenceRange range = get_range(in);
    if (!check.next(range)) return false;
    fn(range, base::WallTime(in.i64()));
  }
  return true;
}

void put_states(ByteWriter& out, const RetryBook& retries) {
  out.u64(retries.known().count());
  for_each_in(retries.known(), [&](Sequence sequence) {
    const MessageState state = retries.find(sequence).value_or(MessageState{});
    out.u64(sequence.value());
    out.u16(state.attempts);
    out.u16(state.stalls);
    out.i64(state.due.value());
    out.i64(state.first_failed.value());
    out.u64(state.text.value());
  });
}

bool get_states(ByteReader& in, Subscription& subscription) {
  std::uint64_t count = 0;
  if (!get_count(in, kStateBytes, count)) return false;
  RangeCheck check(subscription.stream().next());
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sequence sequence(in.u64());
    MessageState state;
    state.attempts = in.u16();
    state.stalls = in.u16();
    state.due = base::WallTime(in.i64());
    state.first_failed = base::WallTime(in.i64());
    state.text = base::Lsn(in.u64());
    if (!check.next({sequence, sequence}) || subscription.gone().contains(sequence)) return false;
    subscription.restore_state(sequence, state);
  }
  return true;
}

void put_dead(ByteWriter& out, const DeadLetters& dead) {
  out.u64(dead.count());
  for_each_in(dead.sequences(), [&](Sequence sequence) {
    const DeadLetter letter = dead.find(sequence).value_or(DeadLetter{});
    out.u64(sequence.value());
    out.u8(static_cast<std::uint8_t>(letter.reason));
    out.u16(letter.attempts);
    out.u16(letter.stalls);
    out.i64(letter.first_failed.value());
    out.i64(letter.died_at.value());
    out.u64(letter.record.value());
    out.u64(letter.text.value());
    out.u64(letter.bytes);
  });
}

bool get_dead(ByteReader& in, Subscription& subscription) {
  std::uint64_t count = 0;
  if (!get_count(in, kDeadBytes, count)) return false;
  RangeCheck check(subscription.stream().next());
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sequence sequence(in.u64());
    DeadLetter letter;
    const std::uint8_t reason = in.u8();
    letter.reason = static_cast<storage::DeadReason>(reason);
    letter.attempts = in.u16();
    letter.stalls = in.u16();
    letter.first_failed = base::WallTime(in.i64());
    letter.died_at = base::WallTime(in.i64());
    letter.record = base::Lsn(in.u64());
    letter.text = base::Lsn(in.u64());
    letter.bytes = in.u64();
    const bool known = reason >= static_cast<std::uint8_t>(storage::DeadReason::kRejected) &&
                       reason <= static_cast<std::uint8_t>(storage::DeadReason::kOverflow);
    if (!known || !check.next({sequence, sequence}) || !subscription.gone().contains(sequence)) {
      return false;
    }
    subscription.restore_dead(sequence, letter);
  }
  return true;
}

void put_subscription(const Subscription& subscription, SnapshotForm form,
                      std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u16(subscription.id().value());
  subscription.gone().serialize(bytes);
  subscription.unexpiring().serialize(bytes);
  if (form == SnapshotForm::kBesideIndex) {
    subscription.flush();
    subscription.delays().serialize(bytes);
    subscription.retries().known().serialize(bytes);
    subscription.retries().waiting().serialize(bytes);
    subscription.retries().stalled().serialize(bytes);
    subscription.dead().sequences().serialize(bytes);
    out.u64(subscription.dead().bytes());
    return;
  }
  put_timed_runs(out, subscription.stream().delays(), subscription.delays());
  put_states(out, subscription.retries());
  put_dead(out, subscription.dead());
}

// The sets that tell what of the side index is the subscription's.
bool get_indexed(ByteReader& in, Subscription& subscription) {
  const Stream& stream = subscription.stream();
  auto delays = SequenceSet::deserialize(in);
  if (!delays) return false;
  auto known = SequenceSet::deserialize(in);
  if (!known) return false;
  auto waiting = SequenceSet::deserialize(in);
  if (!waiting) return false;
  auto stalled = SequenceSet::deserialize(in);
  if (!stalled) return false;
  auto dead = SequenceSet::deserialize(in);
  if (!dead) return false;
  const std::uint64_t dead_bytes = in.u64();
  const SequenceSet& gone = subscription.gone();
  const bool good = are_messages(*delays, stream) && are_messages(*known, stream) &&
                    are_messages(*dead, stream) && are_delays(*delays, gone, *dead) &&
                    !overlap(*known, gone) && !overlap(*delays, *known) &&
                    holds_all(stream.delays().known(), *delays) && holds_all(*known, *waiting) &&
                    holds_all(*known, *stalled) && holds_all(gone, *dead);
  if (!good) return false;
  subscription.restore_delays(*std::move(delays));
  subscription.restore_retries(*std::move(known), *std::move(waiting), *std::move(stalled));
  subscription.restore_dead(*std::move(dead), dead_bytes);
  return in.ok();
}

bool get_subscription(ByteReader& in, SnapshotForm form, Subscription& subscription) {
  const Sequence next = subscription.stream().next();
  if (in.u16() != subscription.id().value()) return false;
  auto gone = SequenceSet::deserialize(in);
  if (!gone || !gone->contains(Sequence(0)) || !gone->last() || next <= *gone->last()) return false;
  auto unexpiring = SequenceSet::deserialize(in);
  if (!unexpiring) return false;
  subscription.restore(*std::move(gone), *std::move(unexpiring));
  if (form == SnapshotForm::kBesideIndex) return get_indexed(in, subscription);
  const bool delays = get_timed_runs(in, next, [&](SequenceRange range, base::WallTime due) {
    subscription.stream().restore_delay(subscription, range, due);
  });
  return delays && get_states(in, subscription) && get_dead(in, subscription) &&
         are_delays(subscription.delays(), subscription.gone(), subscription.dead().sequences());
}

void put_ledger(ByteWriter& out, const ByteLedger& ledger) {
  out.u64(ledger.runs().size());
  for (const auto& [first, run] : ledger.runs()) {
    put_range(out, {first, run.last});
    out.u64(run.live);
    out.u64(run.bytes);
    out.u64(run.total);
    out.u8(run.uniform ? 1 : 0);
  }
}

// The books must agree with what the subscriptions have left.
bool is_balanced(const Stream& stream) {
  std::uint64_t live = 0;
  for (const auto& [first, run] : stream.ledger().runs()) {
    if (stream.wanted_in({first, run.last}) != run.live) return false;
    live += run.live;
  }
  const Sequence end = stream.next();
  return end == Sequence(1) ? live == 0 : live == stream.wanted_in({Sequence(1), end - 1});
}

bool get_timed_sets(ByteReader& in, Stream& stream) {
  auto expiry = SequenceSet::deserialize(in);
  if (!expiry) return false;
  auto delays = SequenceSet::deserialize(in);
  if (!delays || !are_messages(*expiry, stream) || !are_messages(*delays, stream)) return false;
  stream.expiry().restore(*std::move(expiry));
  stream.delays().restore(*std::move(delays));
  return true;
}

bool get_ledger(ByteReader& in, const Stream& stream, ByteLedger& ledger) {
  std::uint64_t count = 0;
  if (!get_count(in, kLedgerRunBytes, count)) return false;
  RangeCheck check(stream.next());
  for (std::uint64_t i = 0; i < count; ++i) {
    const SequenceRange range = get_range(in);
    ByteLedger::Run run;
    run.last = range.last;
    run.live = in.u64();
    run.bytes = in.u64();
    run.total = in.u64();
    run.uniform = in.u8() != 0;
    if (!check.next(range) || run.live == 0 || run.live > range.count()) return false;
    ledger.restore(range.first, run);
  }
  return true;
}

void put_retained(const Retained& retained, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  retained.dropped().serialize(bytes);
  put_ledger(out, retained.sizes());
  out.i64(retained.times().newest().value());
  out.u64(retained.times().marks().size());
  for (const TimeLine::Mark& mark : retained.times().marks()) {
    out.u64(mark.end.value());
    out.i64(mark.at.value());
  }
}

bool get_retained(ByteReader& in, Stream& stream) {
  auto dropped = SequenceSet::deserialize(in);
  if (!dropped || !dropped->contains(Sequence(0)) || !dropped->last()) return false;
  ByteLedger sizes;
  if (stream.next() <= *dropped->last() || !get_ledger(in, stream, sizes)) return false;
  if (sizes.messages() != stream.next().value() - dropped->count()) return false;
  const base::WallTime newest(in.i64());
  std::uint64_t count = 0;
  if (!get_count(in, kMarkBytes, count)) return false;
  std::deque<TimeLine::Mark> marks;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sequence end(in.u64());
    const TimeLine::Mark mark{end, base::WallTime(in.i64())};
    const bool rises = marks.empty() || (marks.back().end < mark.end && marks.back().at < mark.at);
    if (!rises || stream.next() <= mark.end || newest < mark.at) return false;
    marks.push_back(mark);
  }
  TimeLine times;
  times.restore(std::move(marks), newest);
  stream.retained()->restore(*std::move(dropped), std::move(sizes), std::move(times));
  return in.ok();
}

}  // namespace

void put_stream(const Stream& stream, SnapshotForm form, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(stream.next().value());
  put_ledger(out, stream.ledger());
  if (form == SnapshotForm::kBesideIndex) {
    stream.expiry().known().serialize(bytes);
    stream.delays().known().serialize(bytes);
  } else {
    put_timed_runs(out, stream.expiry(), stream.expiry().known());
  }
  for (const auto& subscription : stream.subscriptions()) {
    put_subscription(*subscription, form, bytes);
  }
  if (stream.retained() != nullptr) put_retained(*stream.retained(), bytes);
}

bool get_stream(ByteReader& in, SnapshotForm form, Stream& stream) {
  const Sequence next(in.u64());
  if (next == Sequence() || next.value() > std::numeric_limits<std::uint64_t>::max() / 2) {
    return false;
  }
  stream.restore(next);
  const auto expire = [&](SequenceRange range, base::WallTime at) { stream.expire(range, at); };
  if (!get_ledger(in, stream, stream.ledger())) return false;
  const bool timed = form == SnapshotForm::kBesideIndex ? get_timed_sets(in, stream)
                                                        : get_timed_runs(in, next, expire);
  if (!timed) return false;
  for (const auto& subscription : stream.subscriptions()) {
    if (!get_subscription(in, form, *subscription)) return false;
  }
  if (stream.retained() != nullptr && !get_retained(in, stream)) return false;
  return in.ok() && is_balanced(stream);
}

}  // namespace sluice::broker
