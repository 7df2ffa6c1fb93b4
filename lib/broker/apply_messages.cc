#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buggify.h"
#include "base/message.h"
#include "broker/apply_fact.h"
#include "storage/fact_codec.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;
using base::Status;
using base::WallTime;

// The earlier of two times where 0 is none.
WallTime earlier(WallTime a, WallTime b) {
  if (a == WallTime()) return b;
  if (b == WallTime()) return a;
  return std::min(a, b);
}

// Joins neighbours with the same time and hands out whole runs.
template <typename Fn>
class RunBuilder {
 public:
  explicit RunBuilder(Fn fn) : fn_(std::move(fn)) {}
  void add(Sequence sequence, WallTime time) {
    if (count_ > 0 && time == time_) {
      ++count_;
      return;
    }
    flush();
    first_ = sequence;
    time_ = time;
    count_ = 1;
  }
  void flush() {
    if (count_ > 0 && time_ != WallTime()) fn_(SequenceRange{first_, first_ + (count_ - 1)}, time_);
    count_ = 0;
  }

 private:
  Fn fn_;
  Sequence first_;
  WallTime time_;
  std::uint64_t count_ = 0;
};

WallTime queue_expiry(const Queue& queue, WallTime accepted_at) {
  const std::int64_t ttl_ms = queue.config().ttl.count();
  return ttl_ms > 0 ? accepted_at + ttl_ms : WallTime();
}

// Deliver-at and expires-at of single messages, from number `first` of the batch on.
void apply_timing(Stream& stream, const storage::MessagesFact& fact, std::uint32_t first,
                  base::ByteView entries) {
  const WallTime by_queue = queue_expiry(stream.queue(), fact.accepted_at);
  RunBuilder delays([&](SequenceRange range, WallTime due) { stream.delay(range, due); });
  RunBuilder expiry([&](SequenceRange range, WallTime at) { stream.expire(range, at); });
  for (std::uint32_t i = first; i < fact.count && !entries.empty(); ++i) {
    const base::MessageView view = base::take_entry(entries);
    WallTime due;
    WallTime expires = by_queue;
    if (!view.attributes.empty()) {
      const auto attributes = base::decode_attributes(view.attributes);
      if (attributes) {
        if (attributes->deliver_at > fact.accepted_at) due = attributes->deliver_at;
        // A time in the past (or nonsense below 0) is due at once, as 0 would mean none.
        if (attributes->expires_at != WallTime()) {
          expires = earlier(std::max(attributes->expires_at, WallTime(1)), by_queue);
        }
      }
    }
    const Sequence sequence = fact.first + i;
    delays.add(sequence, due);
    expiry.add(sequence, expires);
  }
  delays.flush();
  expiry.flush();
}

// The other side of a batch that a task copied or moved from elsewhere.
void finish_transfer(State& state, const storage::MessagesFact& fact) {
  if (!state.transfer) return;
  const storage::TransferFact transfer = *std::exchange(state.transfer, std::nullopt);
  const bool matches =
      transfer.to == fact.stream && transfer.first == fact.first && transfer.count == fact.count;
  if (!matches) return;
  if (const auto task = state.tasks.find(transfer.task); task != state.tasks.end()) {
    task->second.key = transfer.from;
    task->second.position = transfer.position;
    task->second.matched = transfer.matched;
    task->second.done = transfer.done;
  }
  Subscription* from = state.subscription(transfer.from);
  if (from == nullptr || transfer.kind != storage::TaskKind::kMove) return;
  for (const SequenceRange& range : transfer.ranges) {
    if (!transfer.dead_letters) {
      state.leases.leave(*from, {range});
      from->stream().remove(*from, range);
      continue;
    }
    const DeadLetters& dead = from->dead();
    for (auto at = dead.next(range.first); at && *at <= range.last; at = dead.next(*at + 1)) {
      from->discard(*at);
    }
  }
}

}  // namespace

Status apply_fact(State& state, const storage::MessagesFact& fact, base::ByteView entries,
                  bool uniform, base::Lsn record) {
  Stream* stream = state.stream(fact.stream);
  const auto refuse = [&](const std::string& what) {
    return base::corruption("messages at " + std::to_string(record.value()) + ": " + what);
  };
  if (stream == nullptr) {
    return refuse("no queue " + fact.stream.queue.to_hex() + " with shard " +
                  std::to_string(fact.stream.shard.value()));
  }
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max() / 2;
  if (fact.count == 0 || fact.first < stream->next() || fact.first.value() > kLast) {
    return refuse("sequence " + std::to_string(fact.first.value()) + ", but the next is " +
                  std::to_string(stream->next().value()));
  }
  // A record between the last one and this one is damaged.
  stream->expect(fact.first - 1);
  const SequenceRange range{fact.first, fact.first + (fact.count - 1)};
  stream->extend(range, fact.body_bytes, uniform, fact.accepted_at);
  state.producers.accept(fact, record);
  if ((fact.flags & storage::kMessagesTransferred) != 0) finish_transfer(state, fact);
  if ((fact.flags & storage::kMessagesHaveTiming) != 0) {
    apply_timing(*stream, fact, 0, entries);
  } else if (const WallTime at = queue_expiry(stream->queue(), fact.accepted_at);
             at != WallTime()) {
    stream->expire(range, at);
  }
  return {};
}

namespace {

// The head was good, not all of the entries are: the messages exist, those of bad blocks are
// damaged, and the others wait and expire as they were to.
Status apply_damaged(State& state, const storage::MessagesFact& fact,
                     const storage::RecordView& view) {
  Stream* stream = state.stream(fact.stream);
  const SequenceRange range{fact.first, fact.first + (fact.count - 1)};
  if (stream != nullptr) stream->doubt(range);
  RETURN_IF_ERROR(apply_fact(state, fact, {}, false, view.begin));
  if ((fact.flags & storage::kMessagesHaveTiming) == 0) return {};
  for (const storage::ReadableEntries& readable : view.readable) {
    const auto summary = base::summarize_batch(readable.entries);
    if (!summary || summary->count != readable.count) continue;
    apply_timing(*stream, fact, readable.first, readable.entries);
  }
  return {};
}

Status apply_messages(State& state, const storage::RecordView& view) {
  ASSIGN_OR_RETURN(storage::DecodedMessages decoded, storage::decode_messages(view.payload));
  if (PLANTED("delay_forgotten_after_restart")) {
    decoded.fact.flags &= static_cast<std::uint8_t>(~storage::kMessagesHaveTiming);
  }
  if (PLANTED("command_replayed_instead_of_fact")) {
    if (const Stream* stream = state.stream(decoded.fact.stream))
      decoded.fact.first = stream->next();
  }
  if ((decoded.fact.flags & storage::kMessagesLarge) != 0) {
    std::vector<std::byte> front;
    if (base::summarize_large(decoded.entries, decoded.fact.entry_bytes)) {
      base::append_cut_entry(decoded.entries, 0, false, front);
    }
    return apply_fact(state, decoded.fact, front, true, view.begin);
  }
  if (view.damaged) return apply_damaged(state, decoded.fact, view);
  const auto summary = base::summarize_batch(decoded.entries);
  if (!summary || summary->count != decoded.fact.count) {
    // Good blocks that hold no batch: the messages exist, and nobody can read them.
    return apply_fact(state, decoded.fact, {}, false, view.begin);
  }
  const bool uniform = std::uint64_t{summary->largest_body} * summary->count == summary->body_bytes;
  return apply_fact(state, decoded.fact, decoded.entries, uniform, view.begin);
}

template <typename Fact>
Status apply_decoded(State& state, base::Result<Fact> fact, base::Lsn record) {
  if (!fact) return std::move(fact).error();
  return apply_fact(state, *fact, record);
}

}  // namespace

Status apply_record(State& state, const storage::RecordView& view) {
  using storage::RecordType;
  const base::ByteView payload = view.payload;
  switch (view.type) {
    case RecordType::kIncarnation: {
      base::Result<storage::IncarnationFact> fact = storage::decode_incarnation(payload);
      if (PLANTED("command_replayed_instead_of_fact") && fact) fact->sequence_jump = 0;
      return apply_decoded(state, std::move(fact), view.begin);
    }
    case RecordType::kQueueConfigured:
      return apply_decoded(state, storage::decode_queue_configured(payload), view.begin);
    case RecordType::kSubscriptionExpired:
      return apply_decoded(state, storage::decode_subscription_expired(payload), view.begin);
    case RecordType::kQueueDeleted:
      return apply_decoded(state, storage::decode_queue_deleted(payload), view.begin);
    case RecordType::kMessages:
      return apply_messages(state, view);
    case RecordType::kLeased:
      if (PLANTED("lease_forgotten_after_restart")) return {};
      return apply_decoded(state, storage::decode_leased(payload), view.begin);
    case RecordType::kSettled:
      return apply_decoded(state, storage::decode_settled(payload), view.begin);
    case RecordType::kReleased:
      return apply_decoded(state, storage::decode_released(payload), view.begin);
    case RecordType::kFailed: {
      base::Result<storage::FailedFact> fact = storage::decode_failed(payload);
      if (PLANTED("counter_reset_on_crash") && fact) {
        for (storage::RetryEntry& entry : fact->entries) entry.attempts = 0;
      }
      return apply_decoded(state, std::move(fact), view.begin);
    }
    case RecordType::kStalled:
      return apply_decoded(state, storage::decode_stalled(payload), view.begin);
    case RecordType::kDead:
      if (PLANTED("dead_letter_forgotten_after_restart")) return {};
      return apply_decoded(state, storage::decode_dead(payload), view.begin);
    case RecordType::kRedriven:
      return apply_decoded(state, storage::decode_redriven(payload), view.begin);
    case RecordType::kRewound:
      return apply_decoded(state, storage::decode_rewound(payload), view.begin);
    case RecordType::kTransfer:
      return apply_decoded(state, storage::decode_transfer(payload), view.begin);
    case RecordType::kDropped:
      return apply_decoded(state, storage::decode_dropped(payload), view.begin);
    case RecordType::kRemoved:
      return apply_decoded(state, storage::decode_removed(payload), view.begin);
    case RecordType::kDamaged:
      return apply_decoded(state, storage::decode_damaged(payload), view.begin);
    case RecordType::kSession:
      return apply_decoded(state, storage::decode_session(payload), view.begin);
    case RecordType::kTask:
      return apply_decoded(state, storage::decode_task(payload), view.begin);
    case RecordType::kProducer:
      return apply_decoded(state, storage::decode_producer(payload), view.begin);
    default:
      return {};  // padding and records of other readers
  }
}

}  // namespace sluice::broker
