#include "broker/delivery.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "base/cover.h"
#include "broker/damage.h"
#include "broker/dead_delivery.h"
#include "broker/lending.h"
#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

constexpr int kBatchesPerCall = 16;
// Messages with entries in the side index that one call leases: the index changes for each of them.
constexpr std::uint64_t kEntriesPerCall = 512;
// Unreadable stretches that one call passes over.
constexpr int kDamagePerCall = 256;
// Large messages that one call passes by for clients that do not understand them.
constexpr int kSkipsPerCall = 256;
// Of one delivery, from which on it is read when it is decided.
constexpr std::size_t kManyRuns = 32;

// What one delivery batch may still take.
struct Room {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;        // of credit
  std::uint64_t frame_bytes = 0;  // of one frame; its first message may be larger
  bool any_size = false;          // the first message needs no credit in bytes
  bool large = false;             // a large message may be the only one

  bool fits(std::uint64_t message_bytes) const { return any_size || message_bytes <= bytes; }
};

// For so many more, of which there will be `total` in the end as far as can be seen: what is there
// does not move each time.
template <typename T>
void make_room(std::vector<T>& list, std::size_t more, std::size_t total) {
  const std::size_t wanted = list.size() + more;
  if (wanted > list.capacity()) list.reserve(std::max({wanted, total, 2 * list.capacity()}));
}

class Delivery {
 public:
  Delivery(Core& core, base::Now now, Subscription& subscription)
      : core_(core),
        now_(now),
        subscription_(subscription),
        queue_(subscription.stream().queue()),
        settings_(queue_.settings(subscription.id()).delivery) {}

  bool run();

 private:
  bool serve(Attachment& attachment);
  bool serve_suspect(Attachment& attachment, Session& session);
  bool serve_batch(Attachment& attachment);
  void read_now(Draft& draft);
  Room room_of(const Attachment& attachment) const;
  void fill(const Room& room, Draft& draft);
  bool fill_plain(const Room& room, const storage::BatchLocation& batch, base::Sequence& from,
                  Draft& draft);
  std::size_t runs_expected(const Room& room, std::uint64_t bytes_left, const Draft& draft) const;
  // The batch that holds the first of `ready`; nullopt when that cannot be read, or not yet.
  std::optional<storage::BatchLocation> batch_at(SequenceRange ready);
  std::optional<storage::EntrySlice> slice(const storage::BatchLocation& batch, SequenceRange range,
                                           std::uint64_t bytes_max);
  void add(const storage::BatchLocation& batch, const storage::EntrySlice& slice, Draft& draft);
  void pass_over(SequenceRange range);
  void lose(SequenceRange range, base::Lsn begin = base::Lsn());
  void send(Attachment& attachment, Draft draft);
  void send_settled(Attachment& attachment, Draft draft);
  void count(const Draft& draft);

  Core& core_;
  const base::Now now_;
  Subscription& subscription_;
  Queue& queue_;
  const DeliveryConfig& settings_;
  Ranges wanted_;                            // of fill_plain(); kept for their memory
  std::vector<storage::EntrySlice> slices_;  // the same, and of read_now()
  std::uint64_t entries_left_ = kEntriesPerCall;
  int damage_left_ = kDamagePerCall;
  int skips_left_ = kSkipsPerCall;
  bool waits_ = false;  // for storage to bring in what comes next
};

bool Delivery::run() {
  if (queue_.config().paused) return false;
  std::deque<AttachmentHandle>& ring = subscription_.ring;
  int batches = 0;
  for (std::size_t idle = 0; idle < ring.size() && subscription_.has_ready();) {
    if (waits_) return false;
    if (batches == kBatchesPerCall || damage_left_ <= 0 || entries_left_ == 0) return true;
    Attachment* const attachment = take_turn(core_, ring);
    if (attachment == nullptr) continue;
    const bool served = serve(*attachment);
    Core::offer(*attachment);
    idle = served ? 0 : idle + 1;
    if (served) ++batches;
  }
  return false;
}

bool Delivery::serve(Attachment& attachment) {
  Session* session = core_.sessions.find(attachment.session);
  CHECK(session != nullptr);
  bool served = serve_suspect(attachment, *session);
  if (attachment.has_credit()) served = serve_batch(attachment) || served;
  return served;
}

// One message that may have taken a consumer down, alone in its batch: if the session is lost while
// it holds this one, only this one can be blamed for good.
bool Delivery::serve_suspect(Attachment& attachment, Session& session) {
  while (session.suspects == 0 && damage_left_ > 0 && !waits_) {
    const std::optional<Sequence> suspect = subscription_.lowest_suspect();
    if (!suspect) return false;
    const auto batch = batch_at({*suspect, *suspect});
    if (!batch) continue;
    const Room room = room_of(attachment);
    if (batch->large() && !room.large) return false;
    const auto entries = slice(*batch, {*suspect, *suspect}, room.frame_bytes);
    if (!entries) continue;
    if (!room.fits(entries->bytes)) return false;
    COVER("suspect delivered alone");
    Draft draft;
    add(*batch, *entries, draft);
    send(attachment, std::move(draft));
    return true;
  }
  return false;
}

bool Delivery::serve_batch(Attachment& attachment) {
  Draft draft;
  fill(room_of(attachment), draft);
  if (draft.messages == 0) return false;
  read_now(draft);
  send(attachment, std::move(draft));
  return true;
}

// A frame of many parts comes out of several times as many bytes of files, which were read to find
// the parts. When the frame leaves they would have to be read again, or kept in memory until then.
void Delivery::read_now(Draft& draft) {
  if (draft.runs.size() < kManyRuns || core_.messages.in_memory(draft.runs.front().slice)) return;
  slices_.clear();
  for (const DeliveryRun& run : draft.runs) slices_.push_back(run.slice);
  auto entries = std::make_shared_for_overwrite<std::byte[]>(draft.bytes);
  // What cannot be read now is found when the frame leaves.
  if (core_.messages.copy(slices_, {entries.get(), draft.bytes})) draft.entries = entries;
}

Room Delivery::room_of(const Attachment& attachment) const {
  Room room;
  // A client without limits says so with a number that must not overflow any sequence.
  room.messages = std::min(attachment.messages_limit - attachment.messages, kLeaseMessagesMax);
  if (BUGGIFY("short delivery")) room.messages = std::min<std::uint64_t>(room.messages, 1);
  room.bytes = attachment.bytes_left();
  room.frame_bytes = core_.options.delivery_bytes_max;
  room.any_size = attachment.takes_any_size();
  room.large = attachment.takes_chunks;
  return room;
}

void Delivery::fill(const Room& room, Draft& draft) {
  const std::uint64_t bytes_max = std::min(room.bytes, room.frame_bytes);
  Sequence from(1);
  while (draft.runs.size() < core_.options.delivery_runs_max && draft.messages < room.messages &&
         damage_left_ > 0 && entries_left_ > 0 && !waits_) {
    const std::optional<SequenceRange> ready = subscription_.next_ready(from);
    if (!ready) return;
    const auto batch = batch_at(*ready);
    if (!batch) continue;
    if (batch->large() && !room.large) {
      if (--skips_left_ < 0) return;
      from = batch->last() + 1;
      continue;
    }
    if (batch->large() && draft.messages > 0) return;  // it is a delivery of its own
    from = ready->first;
    if (!batch->large() && !subscription_.has_entries_in({from, batch->last()})) {
      if (!fill_plain(room, *batch, from, draft)) return;
      continue;
    }
    SequenceRange range{ready->first, std::min(ready->last, batch->last())};
    range.last = std::min(range.last, range.first + (room.messages - draft.messages - 1));
    range.last = subscription_.retries().same_counters_until(range.first, range.last);
    const bool costs = subscription_.has_entries_in(range);
    if (costs) range.last = std::min(range.last, range.first + (entries_left_ - 1));
    const std::uint64_t bytes_left = bytes_max - std::min(draft.bytes, bytes_max);
    if (bytes_left == 0 && draft.messages > 0) return;
    const auto entries = slice(*batch, range, bytes_left);
    if (!entries) continue;
    if (entries->bytes > bytes_left) {
      // A message that is larger than what is left goes first or not at all.
      if (draft.messages > 0 || !room.fits(entries->bytes)) return;
    }
    add(*batch, *entries, draft);
    if (costs) entries_left_ -= std::min<std::uint64_t>(entries_left_, entries->count);
    if (batch->large()) return;
    from = entries->first + entries->count;
  }
}

// From `from` on as much of the batch as there is room for, where no message of it has anything of
// its own: all at once, for they may be thousands that do not touch. Moves `from` on; false: the
// draft is full.
bool Delivery::fill_plain(const Room& room, const storage::BatchLocation& batch, Sequence& from,
                          Draft& draft) {
  const std::uint64_t bytes_max = std::min(room.bytes, room.frame_bytes);
  const std::uint64_t bytes_left = bytes_max - std::min(draft.bytes, bytes_max);
  if (bytes_left == 0 && draft.messages > 0) return false;
  wanted_.clear();
  subscription_.list_ready({from, batch.last()},
                           core_.options.delivery_runs_max - draft.runs.size(), wanted_);
  std::uint64_t messages_left = room.messages - draft.messages;
  std::size_t kept = 0;
  while (kept < wanted_.size() && messages_left > 0) {
    SequenceRange& range = wanted_[kept++];
    if (range.count() >= messages_left) {
      range.last = range.first + (messages_left - 1);
      break;
    }
    messages_left -= range.count();
  }
  wanted_.resize(kept);
  slices_.clear();
  const base::Status sliced =
      core_.messages.slices(batch, wanted_, static_cast<std::uint32_t>(bytes_left), slices_);
  if (!sliced) {
    pass_over(wanted_.front());
    return true;
  }
  const storage::EntrySlice& first = slices_.front();
  if (first.damaged) {
    lose({first.first, first.first + (first.count - 1)}, batch.lsn);
    return true;
  }
  // A message that is larger than what is left goes first or not at all.
  if (first.bytes > bytes_left && (draft.messages > 0 || !room.fits(first.bytes))) return false;
  const std::size_t runs = runs_expected(room, bytes_left, draft);
  make_room(draft.runs, slices_.size(), runs);
  make_room(draft.ranges, slices_.size(), runs);
  Draft::Fresh fresh{batch.accepted_at, 0};
  for (const storage::EntrySlice& part : slices_) {
    // With all its fields, which costs less than to clear it first.
    draft.runs.push_back({part, batch.accepted_at, 0, 0, {}, 0});
    from = part.first + part.count;
    append_range(draft.ranges, {part.first, from - 1});
    fresh.messages += part.count;
    draft.bytes += part.bytes;
  }
  draft.messages += fresh.messages;
  draft.fresh.push_back(fresh);
  return true;
}

// How many runs the draft will have if all that follow are like `slices_`.
std::size_t Delivery::runs_expected(const Room& room, std::uint64_t bytes_left,
                                    const Draft& draft) const {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  for (const storage::EntrySlice& part : slices_) {
    messages += part.count;
    bytes += part.bytes;
  }
  const std::uint64_t there = std::min(room.messages - draft.messages, subscription_.ready());
  const std::uint64_t times =
      std::min(there / messages, bytes_left / std::max<std::uint64_t>(bytes, 1));
  const std::uint64_t more = (times + 1) * slices_.size();
  return std::min<std::uint64_t>(draft.runs.size() + more, core_.options.delivery_runs_max);
}

std::optional<storage::BatchLocation> Delivery::batch_at(SequenceRange ready) {
  std::optional<storage::BatchLocation>& near = subscription_.near;
  // Compaction may have moved it since, and its old file may be gone.
  if (subscription_.near_moves != core_.messages.moves()) near.reset();
  if (near && near->first <= ready.first && ready.first <= near->last()) return near;
  if (!core_.messages.ready(subscription_.stream().id(), ready.first)) {
    waits_ = true;
    core_.reading.emplace(subscription_.number(), &subscription_);
    return std::nullopt;
  }
  const auto found = core_.messages.locate(subscription_.stream().id(), ready.first);
  if (!found) {
    pass_over({ready.first, ready.first});
    return std::nullopt;
  }
  if (!found->has_value()) {
    lose(ready);
    return std::nullopt;
  }
  const storage::BatchLocation& batch = **found;
  if (ready.first < batch.first) {
    lose({ready.first, std::min(ready.last, batch.first - 1)});
    return std::nullopt;
  }
  near = batch;
  subscription_.near_moves = core_.messages.moves();
  return batch;
}

std::optional<storage::EntrySlice> Delivery::slice(const storage::BatchLocation& batch,
                                                   SequenceRange range, std::uint64_t bytes_max) {
  const auto entries =
      core_.messages.slice(batch, range.first, range.last, static_cast<std::uint32_t>(bytes_max));
  if (!entries) {
    pass_over(range);
    return std::nullopt;
  }
  if (entries->damaged) {
    lose({entries->first, entries->first + (entries->count - 1)}, batch.lsn);
    return std::nullopt;
  }
  return *entries;
}

void Delivery::add(const storage::BatchLocation& batch, const storage::EntrySlice& slice,
                   Draft& draft) {
  DeliveryRun run;
  run.slice = slice;
  run.accepted_at = batch.accepted_at;
  if (const auto state = subscription_.retries().find(slice.first)) {
    run.attempts = state->attempts;
    run.stalls = state->stalls;
  }
  append_range(draft.ranges, {slice.first, slice.first + (slice.count - 1)});
  draft.runs.push_back(run);
  if (run.attempts == 0 && run.stalls == 0) draft.fresh.push_back({run.accepted_at, slice.count});
  draft.messages += slice.count;
  draft.bytes += slice.bytes;
}

// The disk has lost it.
void Delivery::lose(SequenceRange range, base::Lsn begin) {
  quarantine(core_, now_, subscription_, {range}, begin, begin);
  --damage_left_;
}

// It could not be read, and perhaps can be tomorrow.
void Delivery::pass_over(SequenceRange range) {
  subscription_.pass_over(range);
  --damage_left_;
}

// At most once: nobody may see the messages before it is durable that nobody sees them again,
// whatever the queue's fsync says.
void Delivery::send_settled(Attachment& attachment, Draft draft) {
  SubscriptionTotals& totals = queue_.totals(subscription_.id());
  totals.acked += draft.messages;
  attachment.messages += draft.messages;
  attachment.bytes += draft.bytes;

  storage::SettledFact fact;
  fact.key = subscription_.key();
  fact.ranges = std::move(draft.ranges);
  Deliver effect =
      make_deliver(attachment, core_.next_epoch(now_), settings_.lease, std::move(draft));
  count_unsent(core_, attachment, effect);
  const base::Lsn end = core_.record_synced(subscription_, fact);
  core_.effects.emit(Wait{end, true}, std::move(effect));
}

void Delivery::send(Attachment& attachment, Draft draft) {
  count(draft);
  attachment.sends_chunks = draft.large();
  if (attachment.at_most_once) return send_settled(attachment, std::move(draft));
  const Lease& lease = lend(core_, now_, attachment, std::move(draft), settings_.lease);
  if (lease.suspect) core_.sessions.find(attachment.session)->suspects += 1;
}

void Delivery::count(const Draft& draft) {
  SubscriptionTotals& totals = queue_.totals(subscription_.id());
  totals.delivered += draft.messages;
  std::uint64_t again = draft.messages;
  for (const Draft::Fresh& fresh : draft.fresh) {
    again -= fresh.messages;
    const std::int64_t waited_ms = std::max<std::int64_t>(0, now_.wall - fresh.accepted_at);
    totals.end_to_end_seconds.add(static_cast<double>(waited_ms) / 1000.0, fresh.messages);
  }
  totals.redelivered += again;
}

// There is room for dead letters again: what waited for it in other shards is looked at.
void wake_held_back(Core& core, const Queue& queue, base::SubscriptionId id) {
  if (queue.settings(id).dead_letter.overflow != DeadOverflow::kBlock) return;
  for (const auto& stream : queue.streams()) {
    Subscription& other = *stream->find(id);
    if (!other.held_back) continue;
    other.held_back = false;
    core.touch(other);
  }
}

}  // namespace

bool deliver(Core& core, base::Now now, Subscription& subscription) {
  const bool more_dead = deliver_dead(core, now, subscription);
  Queue& queue = subscription.stream().queue();
  if (subscription.seeking) return more_dead;
  subscription.held_back = dead_letters_full(queue, subscription.id());
  if (subscription.held_back) return more_dead;
  wake_held_back(core, queue, subscription.id());
  if (subscription.ring.empty() || !subscription.has_ready()) return more_dead;
  // A seek may have brought back what has expired meanwhile: the next tick takes it out first.
  const auto expires = subscription.stream().expiry().earliest();
  if (expires && *expires <= now.wall) return true;
  return Delivery(core, now, subscription).run() || more_dead;
}

}  // namespace sluice::broker
