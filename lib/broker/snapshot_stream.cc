#include "broker/snapshot_stream.h"

#include <limits>
#include <utility>

#include "storage/sequence_set.h"

namespace sluice::broker {

namespace {

using base::ByteReader;
using base::ByteWriter;
using base::Sequence;
using base::SequenceRange;

constexpr std::size_t kLedgerRunBytes = 41;
constexpr std::size_t kTimedRunBytes = 24;
constexpr std::size_t kStateBytes = 36;
constexpr std::size_t kDeadBytes = 53;

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

SequenceRange get_range(ByteReader& in) {
  const Sequence first(in.u64());
  return {first, Sequence(in.u64())};
}

bool get_count(ByteReader& in, std::size_t bytes, std::uint64_t& count) {
  count = in.u64();
  return in.ok() && count <= in.remaining() / bytes;
}

void put_timed_runs(ByteWriter& out, const TimedRuns& runs) {
  std::uint64_t count = 0;
  runs.for_each([&](SequenceRange, base::WallTime) { ++count; });
  out.u64(count);
  runs.for_each([&](SequenceRange range, base::WallTime time) {
    put_range(out, range);
    out.i64(time.value());
  });
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
  out.u64(retries.states().size());
  for (const auto& [sequence, state] : retries.states()) {
    out.u64(sequence.value());
    out.u16(state.attempts);
    out.u16(state.stalls);
    out.i64(state.due.value());
    out.i64(state.first_failed.value());
    out.u64(state.text.value());
  }
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
  for (const auto& [sequence, letter] : dead.by_sequence()) {
    out.u64(sequence.value());
    out.u8(static_cast<std::uint8_t>(letter.reason));
    out.u16(letter.attempts);
    out.u16(letter.stalls);
    out.i64(letter.first_failed.value());
    out.i64(letter.died_at.value());
    out.u64(letter.record.value());
    out.u64(letter.text.value());
    out.u64(letter.bytes);
  }
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

void put_subscription(const Subscription& subscription, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u16(subscription.id().value());
  subscription.gone().serialize(bytes);
  subscription.unexpiring().serialize(bytes);
  put_timed_runs(out, subscription.delays());
  put_states(out, subscription.retries());
  put_dead(out, subscription.dead());
}

bool get_subscription(ByteReader& in, Subscription& subscription) {
  const Sequence next = subscription.stream().next();
  if (in.u16() != subscription.id().value()) return false;
  auto gone = storage::SequenceSet::deserialize(in);
  if (!gone || !gone->contains(Sequence(0)) || !gone->last() || next <= *gone->last()) return false;
  auto unexpiring = storage::SequenceSet::deserialize(in);
  if (!unexpiring) return false;
  subscription.restore(*std::move(gone), *std::move(unexpiring));
  bool disjoint = true;
  const bool delays = get_timed_runs(in, next, [&](SequenceRange range, base::WallTime due) {
    disjoint = disjoint && !subscription.gone().contains_any(range);
    subscription.delay(range, due);
  });
  return delays && disjoint && get_states(in, subscription) && get_dead(in, subscription);
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

bool get_ledger(ByteReader& in, Stream& stream) {
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
    stream.ledger().restore(range.first, run);
  }
  return true;
}

}  // namespace

void put_stream(const Stream& stream, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(stream.next().value());
  put_ledger(out, stream.ledger());
  put_timed_runs(out, stream.expiry());
  for (const auto& subscription : stream.subscriptions()) put_subscription(*subscription, bytes);
}

bool get_stream(ByteReader& in, Stream& stream) {
  const Sequence next(in.u64());
  if (next == Sequence() || next.value() > std::numeric_limits<std::uint64_t>::max() / 2) {
    return false;
  }
  stream.restore(next);
  const auto expire = [&](SequenceRange range, base::WallTime at) { stream.expire(range, at); };
  if (!get_ledger(in, stream) || !get_timed_runs(in, next, expire)) return false;
  for (const auto& subscription : stream.subscriptions()) {
    if (!get_subscription(in, *subscription)) return false;
  }
  return in.ok() && is_balanced(stream);
}

}  // namespace sluice::broker
