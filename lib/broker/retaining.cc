#include "broker/retaining.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

// Messages of one look, which is one record at most.
constexpr std::uint64_t kSliceMax = 16'384;
constexpr std::size_t kRangesMax = 2'048;
// What is leased is looked at again after so long.
constexpr std::int64_t kRestMs = 1'000;

// The parts of `window` that are kept and that nobody holds.
Ranges droppable(const Stream& stream, SequenceRange window) {
  Ranges parts;
  stream.retained()->dropped().for_each_gap(window.first, window.last, [&](SequenceRange gap) {
    parts.push_back(gap);
    return true;
  });
  for (const auto& subscription : stream.subscriptions()) {
    auto held = subscription->next_held(window.first);
    while (held && held->first <= window.last) {
      cut_range(parts, *held);
      held = subscription->next_held(held->last + 1);
    }
  }
  if (parts.size() > kRangesMax) parts.resize(kRangesMax);
  return parts;
}

// The first messages of `parts` whose bodies have `bytes`, as well as the ledger knows them.
Ranges front_with_bytes(const ByteLedger& sizes, const Ranges& parts, std::uint64_t bytes) {
  Ranges front;
  for (const SequenceRange& part : parts) {
    const auto [count, freed] = sizes.messages_with(part, bytes);
    front.push_back({part.first, part.first + (count - 1)});
    if (freed >= bytes) break;
    bytes -= freed;
  }
  return front;
}

void drop(Core& core, Stream& stream, storage::DropCause cause, Ranges parts, Budget& budget) {
  Queue& queue = stream.queue();
  std::uint64_t pieces = 0;
  for (const auto& subscription : stream.subscriptions()) {
    std::uint64_t unsettled = 0;
    for (const SequenceRange& part : parts) {
      const Ranges idle = subscription->idle_in(part);
      unsettled += count_messages(idle);
      pieces += 1 + idle.size();
    }
    if (unsettled == 0) continue;
    queue.totals(subscription->id()).removed_by_cause[storage::RemoveCause::kRetention] +=
        unsettled;
    core.touch(*subscription);
  }
  budget.take(pieces + count_messages(parts) / 64);
  storage::DroppedFact fact;
  fact.stream = stream.id();
  fact.cause = cause;
  fact.ranges = std::move(parts);
  stream.last_record_end = core.record(fact, queue.syncs());
  for (const auto& subscription : stream.subscriptions()) {
    subscription->last_record_end = stream.last_record_end;
  }
}

// Drops messages before `end`, from the lowest on.
void drop_before(Core& core, Stream& stream, Sequence end, Budget& budget) {
  Sequence from(1);
  while (!budget.spent()) {
    from = stream.retained()->dropped().next_not_in(from);
    if (end <= from) return;
    const SequenceRange window{from, std::min(from + (kSliceMax - 1), end - 1)};
    Ranges parts = droppable(stream, window);
    budget.take(1);
    const bool was_all = parts.size() < kRangesMax;
    if (!parts.empty()) drop(core, stream, storage::DropCause::kTime, std::move(parts), budget);
    if (was_all) from = window.last + 1;
  }
}

// Of all shards: the stream with the oldest message of those that have any from their place in
// `from` on.
Stream* oldest_of(const Queue& queue, const std::vector<Sequence>& from) {
  Stream* oldest = nullptr;
  base::WallTime since;
  for (std::size_t i = 0; i < from.size(); ++i) {
    Stream& stream = *queue.streams()[i];
    const Sequence first = stream.retained()->dropped().next_not_in(from[i]);
    if (stream.next() <= first) continue;
    const base::WallTime at = stream.retained()->times().at(first);
    if (oldest != nullptr && since <= at) continue;
    oldest = &stream;
    since = at;
  }
  return oldest;
}

// The oldest of all shards go until the queue has `bytes_max`.
void drop_oldest(Core& core, Queue& queue, std::uint64_t bytes_max, Budget& budget) {
  std::vector<Sequence> from(queue.streams().size(), Sequence(1));
  while (queue.retained_bytes() > bytes_max && !budget.spent()) {
    Stream* stream = oldest_of(queue, from);
    if (stream == nullptr) return;
    Sequence& place = from[stream->id().shard.value()];
    const Retained& retained = *stream->retained();
    place = retained.dropped().next_not_in(place);
    const SequenceRange window{place, std::min(place + (kSliceMax - 1), stream->next() - 1)};
    const Ranges parts = droppable(*stream, window);
    budget.take(1);
    if (parts.empty()) {
      place = window.last + 1;
      continue;
    }
    const std::uint64_t excess = queue.retained_bytes() - bytes_max;
    drop(core, *stream, storage::DropCause::kSize,
         front_with_bytes(retained.sizes(), parts, excess), budget);
  }
}

}  // namespace

void drop_retained(Core& core, base::Now now, Budget& budget) {
  while (!budget.spent()) {
    Stream* stream = core.retentions.due(now.wall);
    if (stream == nullptr) return;
    const RetentionConfig& retention = stream->queue().config().retention;
    if (retention.time.count() > 0) {
      const base::WallTime limit(now.wall.value() - retention.time.count());
      drop_before(core, *stream, stream->retained()->times().end_of(limit, stream->next()), budget);
    }
    if (retention.bytes > 0) drop_oldest(core, stream->queue(), retention.bytes, budget);
    const std::optional<base::WallTime> due = retention_due(*stream);
    const bool only_leased = !budget.spent() && due && *due <= now.wall;
    if (only_leased) stream->retention_rests_until = now.wall + kRestMs;
    core.schedule_retention(*stream);
  }
}

std::optional<base::WallTime> retention_due(const Stream& stream) {
  const Retained* retained = stream.retained();
  if (retained == nullptr) return std::nullopt;
  const RetentionConfig& retention = stream.queue().config().retention;
  std::optional<base::WallTime> due;
  const Sequence first = retained->dropped().floor();
  const TimeLine& times = retained->times();
  if (retention.time.count() > 0 && first < stream.next() && times.newest() != base::WallTime()) {
    due = times.passed_at(first) + retention.time.count();
  }
  if (retention.bytes > 0 && stream.queue().retained_bytes() > retention.bytes) {
    due = base::WallTime(1);
  }
  if (!due) return std::nullopt;
  return std::max(*due, stream.retention_rests_until);
}

}  // namespace sluice::broker
