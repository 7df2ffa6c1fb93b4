#include "broker/task_transfer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/slot.h"
#include "broker/dead_headers.h"
#include "broker/message_reader.h"
#include "broker/task_match.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

constexpr std::uint64_t kTransferLooks = 64;
// Beside a look at a book, which costs 1 of the budget.
constexpr std::uint64_t kUnitsPerRead = 16;
constexpr std::size_t kSourceErrorBytesMax = 1024;
// Of a large message, a quarter of a MiB each.
constexpr int kPiecesPerSlice = 4;

// One batch on its way to another queue.
class Carrier {
 public:
  Carrier(Core& core, base::Now now, Task& task, Subscription& from, Queue& target)
      : core_(core), now_(now), task_(task), from_(from), target_(target) {}

  Slice run(Budget& budget);

 private:
  enum class Taken : std::uint8_t { kYes, kLeft, kNotNow };

  Slice carry(Budget& budget);
  void dead_letters(Budget& budget);
  void waiting(Budget& budget);
  bool is_ready(base::Sequence at, bool text_is_ready);
  bool look(Sequence at, const DeadLetter* letter);
  Taken take(Sequence at, const DeadLetter* letter);
  Taken gather(Sequence at, const DeadLetter* letter, const storage::EntrySlice& slice);
  KeptTimes kept_times(const DeadLetter* letter) const;
  Headers headers_of(Sequence at, const DeadLetter* letter);
  base::ShardIndex shard_of(const base::MessageAttributes& message) const;
  bool has_room(std::uint64_t body_bytes);
  void record();

  Core& core_;
  const base::Now now_;
  Task& task_;
  Subscription& from_;
  Queue& target_;
  Slice result_;
  std::uint64_t looks_left_ = kTransferLooks;
  std::uint64_t acts_left_ = kTransferLooks;
  Ranges ranges_;
  std::vector<std::byte> entries_;
  std::uint32_t count_ = 0;
  std::uint64_t body_bytes_ = 0;
  base::ShardIndex shard_;
  bool is_gathering_ = false;  // goes on in the next slice
};

Slice Carrier::run(Budget& budget) {
  Slice slice = carry(budget);
  // Whoever cannot go on with a large message now leaves the place to others.
  const bool is_mine = core_.carried && core_.carried->task == task_.id;
  if (is_mine && !is_gathering_) core_.carried.reset();
  return slice;
}

Slice Carrier::carry(Budget& budget) {
  if (core_.disk_low) return {false, "the broker's disk is nearly full"};
  if (target_.config().paused) return {false, "queue " + target_.name() + " is paused"};
  if (const std::uint64_t rate = task_.plan.rate_per_second_max; rate > 0) {
    acts_left_ = std::clamp<std::uint64_t>(rate / 10, 1, kTransferLooks);
  }
  result_.is_end = true;
  if (task_.plan.dead_letters) {
    dead_letters(budget);
  } else {
    waiting(budget);
  }
  if (count_ > 0) {
    result_.waits_for.clear();
    record();
  }
  return std::move(result_);
}

void Carrier::dead_letters(Budget& budget) {
  const DeadLetters& dead = from_.dead();
  for (auto at = dead.next(task_.position); at; at = dead.next(*at + 1)) {
    task_.position = *at;
    budget.take(1);
    const auto letter = dead.find(*at);
    if (!is_ready(*at, !letter || texts_ready(core_, *letter))) return;
    const bool wanted =
        letter && !dead.is_leased(*at) && matches(core_, task_, from_, *at, *letter);
    if (wanted) budget.take(kUnitsPerRead);
    const bool goes_on = !wanted ? looks_left_-- > 1 : look(*at, &*letter);
    if (!wanted || goes_on) task_.position = *at + 1;
    if (goes_on) continue;
    result_.is_end = false;
    return;
  }
}

void Carrier::waiting(Budget& budget) {
  const Sequence end = task_.plan.ends[from_.stream().id().shard.value()];
  while (task_.position < end) {
    const auto scope = next_wanted(task_.plan.selector, {task_.position, end - 1});
    if (!scope) return;
    const auto gap = from_.gone().next_gap(*scope);
    if (!gap) {
      task_.position = scope->last + 1;
      continue;
    }
    if (looks_left_ == 0) {
      result_.is_end = false;
      return;
    }
    const SequenceRange piece{gap->first, std::min(gap->last, gap->first + (looks_left_ - 1))};
    task_.position = piece.first;
    for (const SequenceRange& range : from_.idle_in(piece)) {
      for (Sequence at = range.first; at <= range.last; ++at) {
        task_.position = at;
        budget.take(kUnitsPerRead);
        if (!is_ready(at, retry_text_ready(core_, task_.plan, from_, at))) return;
        const bool wanted = matches(core_, task_.plan, from_, at);
        const bool goes_on = !wanted ? looks_left_-- > 1 : look(at, nullptr);
        if (!wanted || goes_on) task_.position = at + 1;
        if (goes_on) continue;
        result_.is_end = false;
        return;
      }
    }
    task_.position = piece.last + 1;
    looks_left_ -= std::min<std::uint64_t>(looks_left_, 1);  // pieces that are leased cost too
  }
}

// False: the slice ends here, until storage has brought it in.
bool Carrier::is_ready(Sequence at, bool text_is_ready) {
  if (core_.messages.ready(from_.stream().id(), at) && text_is_ready) return true;
  result_.is_end = false;
  result_.reads = true;
  return false;
}

// Takes a message that matches, or leaves it for good. False = the slice ends before it.
bool Carrier::look(Sequence at, const DeadLetter* letter) {
  if (looks_left_ == 0 || acts_left_ == 0) return false;
  switch (take(at, letter)) {
    case Taken::kNotNow:
      return false;
    case Taken::kYes:
      append_range(ranges_, {at, at});
      ++count_;
      --acts_left_;
      ++task_.done;
      break;
    case Taken::kLeft:
      break;
  }
  ++task_.matched;
  --looks_left_;
  return true;
}

Carrier::Taken Carrier::take(Sequence at, const DeadLetter* letter) {
  const auto stored = read_message(core_, from_.stream(), at);
  if (!stored) return Taken::kLeft;
  base::ByteView entries = stored->entry;
  const base::MessageView message = base::take_entry(entries);
  const auto attributes = base::decode_attributes(message.attributes);
  const LimitsConfig& limits = target_.config().limits;
  const std::uint64_t body_bytes = stored->body_bytes;
  const bool fits_ever = attributes.has_value() && body_bytes <= limits.message_bytes_max &&
                         body_bytes <= limits.bytes_max && limits.messages_max > 0;
  if (!fits_ever) return Taken::kLeft;
  const base::ShardIndex shard = shard_of(*attributes);
  if (count_ > 0 && shard != shard_) return Taken::kNotNow;
  if (!has_room(body_bytes)) return Taken::kNotNow;
  if (stored->cut()) {
    if (count_ > 0) return Taken::kNotNow;
    const Taken taken = gather(at, letter, stored->slice);
    if (taken == Taken::kYes) {
      body_bytes_ = body_bytes;
      shard_ = shard;
    }
    return taken;
  }
  std::vector<std::byte> entry;  // what is read from the log moves when an error text is read
  entry.assign(message.entry.begin(), message.entry.end());
  base::ByteView copy(entry);
  const std::size_t before = entries_.size();
  append_with_headers(base::take_entry(copy), headers_of(at, letter), kept_times(letter), entries_);
  // Alone it may have become a large one.
  if (entries_.size() > base::kBatchEntriesBytesMax && count_ > 0) {
    entries_.resize(before);
    return Taken::kNotNow;
  }
  body_bytes_ += body_bytes;
  shard_ = shard;
  return Taken::kYes;
}

// The next pieces of a large message; kYes once `entries_` has all of it.
Carrier::Taken Carrier::gather(Sequence at, const DeadLetter* letter,
                               const storage::EntrySlice& slice) {
  std::optional<CarriedMessage>& carried = core_.carried;
  if (carried && carried->task != task_.id) {
    result_.reads = true;
    return Taken::kNotNow;
  }
  const base::Lsn death = letter == nullptr ? base::Lsn() : letter->record;
  if (!carried || !carried->is(from_.key(), at, death)) {
    auto front = front_with_headers(core_, slice, headers_of(at, letter), kept_times(letter));
    if (!front) return Taken::kLeft;
    carried.emplace(CarriedMessage{task_.id, from_.key(), at, death,
                                   front->replaced - front->bytes.size(), front->entry_bytes,
                                   std::move(front->bytes)});
    carried->entry.reserve(carried->entry_bytes);
  }
  is_gathering_ = true;
  std::vector<std::byte>& entry = carried->entry;
  for (int pieces = 0; entry.size() < carried->entry_bytes; ++pieces) {
    const std::uint64_t stored_at = entry.size() + carried->stored_ahead;
    result_.reads = pieces < kPiecesPerSlice && !core_.messages.piece_ready(slice, stored_at);
    if (pieces == kPiecesPerSlice || result_.reads) return Taken::kNotNow;
    const auto piece = core_.messages.read_piece(slice, stored_at);
    if (!piece) {
      is_gathering_ = false;
      return Taken::kLeft;
    }
    entry.insert(entry.end(), piece->begin(), piece->end());
  }
  entries_ = std::move(entry);
  carried.reset();
  return Taken::kYes;
}

// A dead letter's times are over, but for a deliver-at that has not come: it died before that, and
// waits for it in its new place as it would after a redrive.
KeptTimes Carrier::kept_times(const DeadLetter* letter) const {
  return {letter == nullptr, now_.wall};
}

// Where it comes from.
Headers Carrier::headers_of(Sequence at, const DeadLetter* letter) {
  const Queue& queue = from_.stream().queue();
  Headers headers;
  if (letter != nullptr) headers = dead_headers(core_, *letter, kSourceErrorBytesMax);
  headers.emplace_back("sluice-source",
                       letter == nullptr ? queue.name() : dead_letters_name(queue, from_.id()));
  headers.emplace_back("sluice-source-id", std::to_string(from_.stream().id().shard.value()) + "-" +
                                               std::to_string(at.value()));
  return headers;
}

base::ShardIndex Carrier::shard_of(const base::MessageAttributes& message) const {
  const auto shards = static_cast<std::uint16_t>(target_.streams().size());
  const std::string_view key = base::slot_key(message.group, message.key, message.dedup_id);
  // One that may go anywhere goes where its neighbours go, so that batches are long.
  if (key.empty()) {
    return base::ShardIndex(static_cast<std::uint16_t>(from_.stream().id().shard.value() % shards));
  }
  return base::ShardIndex(base::even_shard_of(base::slot_of(base::as_bytes(key)), shards));
}

bool Carrier::has_room(std::uint64_t body_bytes) {
  const LimitsConfig& limits = target_.config().limits;
  const bool has = target_.messages() + count_ + 1 <= limits.messages_max &&
                   target_.bytes() + body_bytes_ + body_bytes <= limits.bytes_max;
  if (!has) result_.waits_for = "queue " + target_.name() + " is full";
  return has;
}

void Carrier::record() {
  Stream& to = *target_.stream(shard_);
  const bool is_large = entries_.size() > base::kBatchEntriesBytesMax;
  const auto summary =
      is_large ? base::summarize_large(entries_, entries_.size()) : base::summarize_batch(entries_);
  CHECK(summary.has_value() && summary->count == count_);

  storage::TransferFact transfer;
  transfer.task = task_.id;
  transfer.kind = task_.kind;
  transfer.dead_letters = task_.plan.dead_letters;
  transfer.from = from_.key();
  transfer.to = to.id();
  transfer.first = to.next();
  transfer.count = count_;
  transfer.matched = task_.matched;
  transfer.done = task_.done;
  transfer.position = task_.position;
  transfer.ranges = ranges_;
  const bool syncs = target_.syncs() || from_.stream().queue().syncs();
  core_.record(from_, transfer);

  storage::MessagesFact fact;
  fact.stream = to.id();
  fact.first = to.next();
  fact.count = count_;
  fact.accepted_at = now_.wall;
  fact.body_bytes = static_cast<std::uint32_t>(summary->body_bytes);
  fact.flags =
      static_cast<std::uint8_t>(storage::kMessagesTransferred |
                                (summary->has_attributes ? storage::kMessagesHaveAttributes : 0) |
                                (summary->has_timing ? storage::kMessagesHaveTiming : 0));
  const storage::Appended at = is_large ? core_.messages.append_large(fact, entries_, syncs)
                                        : core_.messages.append(fact, entries_, syncs);
  const bool uniform = std::uint64_t{summary->largest_body} * count_ == summary->body_bytes;
  CHECK(apply_fact(core_.state, fact, entries_, uniform, at.begin).has_value());
  to.last_record_end = at.end;
  from_.last_record_end = at.end;
  from_.stream().last_record_end = at.end;
  for (const auto& subscription : to.subscriptions()) core_.touch(*subscription);

  QueueTotals& totals = target_.totals();
  totals.published += count_;
  totals.published_bytes += summary->body_bytes;
  for (base::ByteView left(entries_); !left.empty();) {
    totals.message_bytes.add(static_cast<double>(base::take_entry(left).body.size()));
  }
  if (task_.kind == storage::TaskKind::kMove) {
    from_.stream().queue().totals(from_.id()).removed_by_cause[storage::RemoveCause::kMoved] +=
        count_;
  }
}

}  // namespace

Slice transfer_slice(Core& core, base::Now now, Task& task, Subscription& subscription,
                     Budget& budget) {
  Queue* target = core.state.queue(task.plan.target);
  CHECK(target != nullptr);  // or the task would have failed
  return Carrier(core, now, task, subscription, *target).run(budget);
}

}  // namespace sluice::broker
