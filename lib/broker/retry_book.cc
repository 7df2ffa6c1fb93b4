#include "broker/retry_book.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "storage/varint.h"

namespace sluice::broker {

namespace {

constexpr base::WallTime kEarliest{std::numeric_limits<std::int64_t>::min()};

std::uint64_t as_number(base::WallTime time) { return static_cast<std::uint64_t>(time.value()); }
base::WallTime as_time(std::uint64_t number) {
  return base::WallTime(static_cast<std::int64_t>(number));
}

}  // namespace

RetryBook::RetryBook(storage::SideIndex& index, const storage::SubscriptionKey& owner,
                     BackoffClock& clock)
    : index_(index),
      clock_(clock),
      states_(index, owner, SideTag::kRetries),
      due_prefix_(SideKey(owner).u8(static_cast<std::uint8_t>(SideTag::kRetriesByDue))),
      texts_(index, owner, SideTag::kRetryTexts) {}

std::optional<MessageState> RetryBook::find(base::Sequence sequence) const {
  if (!known_.contains(sequence)) return std::nullopt;
  const auto entry = read(sequence);
  return entry ? entry->state : MessageState{};
}

void RetryBook::wait(base::Sequence sequence, const MessageState& state) {
  texts_.add(state.text);
  if (known_.insert(sequence) == 0) {
    if (const auto before = read(sequence)) {
      disarm(sequence, *before);
      texts_.remove(before->state.text);
    }
  }
  const BackoffClock::Generation generation = clock_.generation();
  std::vector<std::byte> value;
  base::ByteWriter out(value);
  out.u8(generation);
  storage::put_varint(out, state.attempts);
  storage::put_varint(out, state.stalls);
  storage::put_varint(out, as_number(state.first_failed));
  storage::put_delta(out, as_number(state.first_failed), as_number(state.due));
  storage::put_varint(out, state.text.value());
  states_.put(sequence.value(), value);
  if (state.stalls > 0) {
    stalled_.insert(sequence);
  } else if (!stalled_.empty()) {
    stalled_.erase(sequence);
  }
  if (state.due == base::WallTime()) {
    if (!waiting_.empty()) waiting_.erase(sequence);
    return;
  }
  waiting_.insert(sequence);
  by_due(generation).put(to_side_number(state.due), sequence.value(), {});
  Order& at = order(generation);
  if (std::pair(state.due, sequence) < std::pair(at.due, at.sequence)) {
    at.due = state.due;
    at.sequence = sequence;
  }
  at.next = at.next ? std::min(*at.next, state.due) : state.due;
}

void RetryBook::leased(base::SequenceRange range) {
  if (waiting_.empty() || !waiting_.contains_any(range)) return;
  waiting_.for_each_range(range.first, range.last, [this](base::SequenceRange run) {
    for (base::Sequence at = run.first; at <= run.last; ++at) {
      if (const auto entry = read(at)) disarm(at, *entry);
    }
    return true;
  });
  waiting_.erase(range);
}

void RetryBook::forget(base::SequenceRange range) {
  if (!known_.contains_any(range)) return;
  known_.for_each_range(range.first, range.last, [this](base::SequenceRange run) {
    for (base::Sequence at = run.first; at <= run.last; ++at) {
      const auto entry = read(at);
      if (!entry) continue;
      disarm(at, *entry);
      texts_.remove(entry->state.text);
      states_.erase(at.value());
    }
    return true;
  });
  known_.erase(range);
  if (!waiting_.empty()) waiting_.erase(range);
  if (!stalled_.empty()) stalled_.erase(range);
}

std::optional<base::MonoTime> RetryBook::earliest() const {
  std::optional<base::MonoTime> earliest;
  if (waiting_.empty()) return earliest;
  for (const auto& [generation, order] : orders_) {
    if (!order.next) continue;
    const base::MonoTime fires = clock_.fires(generation, *order.next);
    if (!earliest || fires < *earliest) earliest = fires;
  }
  return earliest;
}

std::uint64_t RetryBook::pop_due(base::MonoTime now, std::uint64_t count_max,
                                 std::vector<base::Sequence>& due) {
  std::uint64_t count = 0;
  for (auto& [generation, order] : orders_) {
    count += pop_order(generation, order, now, count_max - count, due);
  }
  return count;
}

std::uint64_t RetryBook::pop_order(BackoffClock::Generation generation, Order& order,
                                   base::MonoTime now, std::uint64_t count_max,
                                   std::vector<base::Sequence>& due) {
  std::uint64_t count = 0;
  const SideTable table = by_due(generation);
  while (count < count_max) {
    if (!order.next || !clock_.is_due(generation, *order.next, now)) break;
    const auto row = table.at_or_after(to_side_number(order.due), order.sequence.value());
    if (!row) {
      order.next.reset();
      break;
    }
    order.next = from_side_number(row->a);
    if (!clock_.is_due(generation, *order.next, now)) break;
    order.due = *order.next;
    order.sequence = base::Sequence(row->b + 1);
    due.emplace_back(row->b);
    ++count;
  }
  return count;
}

base::Sequence RetryBook::same_counters_until(base::Sequence first, base::Sequence last) const {
  const auto known = known_.next_in(first);
  if (!known || last < *known) return last;
  if (first < *known) return *known - 1;
  const auto wanted = read(first);
  base::Sequence end = first;
  const base::Sequence known_end = known_.next_not_in(first) - 1;
  for (base::Sequence at = first + 1; at <= last && at <= known_end; ++at) {
    const auto entry = read(at);
    const bool same = wanted && entry && entry->state.attempts == wanted->state.attempts &&
                      entry->state.stalls == wanted->state.stalls;
    if (!same) break;
    end = at;
  }
  return end;
}

std::optional<base::Sequence> RetryBook::next_stalled(base::Sequence from,
                                                      base::Sequence last) const {
  if (stalled_.empty()) return std::nullopt;
  const auto found = stalled_.next_in(from);
  return found && *found <= last ? found : std::nullopt;
}

void RetryBook::restore(storage::SequenceSet known, storage::SequenceSet waiting,
                        storage::SequenceSet stalled) {
  known_ = std::move(known);
  waiting_ = std::move(waiting);
  stalled_ = std::move(stalled);
  if (waiting_.empty()) return;
  // Which generations the entries are of; nearly always only the first.
  const std::size_t prefix = due_prefix_.size();
  for (unsigned generation = 0; generation <= 255;) {
    const SideKey from = SideKey(due_prefix_).u8(static_cast<std::uint8_t>(generation));
    const auto entry = index_.at_or_after(from.view());
    if (!entry || entry->key.size() <= prefix) return;
    const base::ByteView owner = due_prefix_.view();
    if (!std::equal(owner.begin(), owner.end(), entry->key.begin())) return;
    const auto found = std::to_integer<BackoffClock::Generation>(entry->key[prefix]);
    clock_.take(found);
    order(found).next = kEarliest;
    generation = found + 1U;
  }
}

std::optional<RetryBook::Entry> RetryBook::read(base::Sequence sequence) const {
  const auto value = states_.find(sequence.value());
  if (!value) return std::nullopt;
  base::ByteReader in(*value);
  Entry entry;
  entry.generation = in.u8();
  entry.state.attempts = static_cast<std::uint16_t>(storage::get_varint(in));
  entry.state.stalls = static_cast<std::uint16_t>(storage::get_varint(in));
  const std::uint64_t first_failed = storage::get_varint(in);
  entry.state.first_failed = as_time(first_failed);
  const base::WallTime due = as_time(storage::get_delta(in, first_failed));
  // What was leased keeps the time that it waited for last.
  if (waiting_.contains(sequence)) entry.state.due = due;
  entry.state.text = base::Lsn(storage::get_varint(in));
  return entry;
}

RetryBook::Order& RetryBook::order(BackoffClock::Generation generation) {
  const auto [at, is_new] = orders_.try_emplace(generation);
  if (is_new) at->second.due = kEarliest;
  return at->second;
}

void RetryBook::disarm(base::Sequence sequence, const Entry& entry) {
  if (entry.state.due == base::WallTime()) return;
  by_due(entry.generation).erase(to_side_number(entry.state.due), sequence.value());
}

}  // namespace sluice::broker
