#include "broker/dead_delivery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/dead_headers.h"
#include "broker/lending.h"
#include "broker/message_reader.h"

namespace sluice::broker {

namespace {

// Each is read from the log, and its error texts too; so this bounds a step.
constexpr std::uint64_t kLettersPerBatch = 64;
constexpr std::uint64_t kBytesPerBatch = 128 * 1024;
constexpr std::uint64_t kBatchesPerStep = 2;
// Letters that are leased or resting, on the way to the next one.
constexpr std::uint64_t kLooksPerStep = 512;
constexpr std::size_t kErrorBytesToldMax = 1024;

class DeadDelivery {
 public:
  DeadDelivery(Core& core, base::Now now, Subscription& subscription)
      : core_(core),
        now_(now),
        subscription_(subscription),
        queue_(subscription.stream().queue()) {}

  bool run();

 private:
  bool serve(Attachment& attachment);
  // The letter as an entry with its headers; empty = it cannot be read.
  DeliveryRun run_of(const DeadLetters::Oldest& letter);
  // `draft`: runs and bytes only.
  void send(Attachment& attachment, Draft draft);

  Core& core_;
  const base::Now now_;
  Subscription& subscription_;
  Queue& queue_;
  std::uint64_t looks_ = kLooksPerStep;
  bool waits_ = false;  // for storage to bring in what comes next
  bool has_skipped_ = false;
};

bool DeadDelivery::run() {
  std::deque<AttachmentHandle>& ring = subscription_.dead_ring;
  std::uint64_t batches = 0;
  for (std::size_t idle = 0; idle < ring.size() && !waits_;) {
    if (batches == kBatchesPerStep || looks_ == 0) break;
    Attachment* const attachment = take_turn(core_, ring);
    if (attachment == nullptr) continue;
    const bool served = serve(*attachment);
    subscription_.dead_order.look_again();
    Core::offer(*attachment);
    idle = served ? 0 : idle + 1;
    if (served) ++batches;
  }
  // Skipping the same ones again would lead nowhere.
  const bool is_cut_short = batches == kBatchesPerStep || (looks_ == 0 && !has_skipped_);
  return !waits_ && is_cut_short && subscription_.dead_order.is_unfinished(subscription_.dead());
}

bool DeadDelivery::serve(Attachment& attachment) {
  const DeadLetters& dead = subscription_.dead();
  const std::uint64_t messages_max =
      std::min(attachment.messages_limit - attachment.messages, kLettersPerBatch);
  const std::uint64_t credit = attachment.bytes_left();
  Draft draft;
  while (draft.runs.size() < messages_max && draft.bytes < kBytesPerBatch) {
    const auto letter = subscription_.dead_order.next(dead, looks_);
    if (!letter) break;
    const bool has_texts = texts_ready(core_, letter->letter);
    if (!core_.messages.ready(subscription_.stream().id(), letter->sequence) || !has_texts) {
      waits_ = true;
      core_.reading.emplace(subscription_.number(), &subscription_);
      break;
    }
    DeliveryRun run = run_of(*letter);
    if (run.rewritten.empty()) {
      subscription_.dead_order.pass_over(letter->sequence);
      continue;
    }
    const bool is_large = run.slice.large();
    if (is_large && !attachment.takes_chunks) {
      subscription_.dead_order.skip(*letter);
      has_skipped_ = true;
      continue;
    }
    if (is_large && !draft.runs.empty()) break;  // it is a delivery of its own
    const std::uint64_t size = is_large ? run.large_bytes() : run.slice.bytes;
    const bool is_first = draft.runs.empty();
    const bool has_credit =
        draft.bytes + size <= credit || (is_first && attachment.outstanding == 0);
    const bool fits = draft.bytes + size <= core_.options.delivery_bytes_max || is_first;
    if (!has_credit || !fits) break;
    subscription_.dead_order.pass(*letter);
    draft.bytes += size;
    draft.runs.push_back(std::move(run));
    if (is_large) break;
  }
  if (draft.runs.empty()) return false;
  send(attachment, std::move(draft));
  return true;
}

DeliveryRun DeadDelivery::run_of(const DeadLetters::Oldest& letter) {
  DeliveryRun run;
  const auto stored = read_message(core_, subscription_.stream(), letter.sequence);
  if (!stored) return run;
  run.accepted_at = stored->accepted_at;
  run.attempts = letter.letter.attempts;
  run.stalls = letter.letter.stalls;
  if (stored->cut()) {
    const storage::EntrySlice slice = stored->slice;
    auto front = front_with_headers(
        core_, slice, dead_headers(core_, letter.letter, kErrorBytesToldMax), KeptTimes{});
    if (!front) return run;
    run.slice = slice;
    run.replaced = front->replaced;
    run.rewritten = std::move(front->bytes);
    return run;
  }
  // What is read from the log moves when an error text is read.
  const std::vector<std::byte> entry(stored->entry.begin(), stored->entry.end());
  base::ByteView left(entry);
  append_with_headers(base::take_entry(left),
                      dead_headers(core_, letter.letter, kErrorBytesToldMax), KeptTimes{},
                      run.rewritten);
  if (run.rewritten.size() > core_.options.delivery_bytes_max) run.rewritten = entry;
  run.slice.first = letter.sequence;
  run.slice.count = 1;
  run.slice.bytes = static_cast<std::uint32_t>(run.rewritten.size());
  return run;
}

void DeadDelivery::send(Attachment& attachment, Draft draft) {
  for (const DeliveryRun& run : draft.runs) {
    draft.ranges.push_back({run.slice.first, run.slice.first});
  }
  normalise(draft.ranges);
  draft.messages = draft.runs.size();
  attachment.sends_chunks = draft.large();
  const base::Millis lease_time = queue_.settings(subscription_.id()).delivery.lease;
  const Lease& lease = lend(core_, now_, attachment, std::move(draft), lease_time);
  CHECK(lease.dead);
}

}  // namespace

bool deliver_dead(Core& core, base::Now now, Subscription& subscription) {
  if (subscription.dead_ring.empty() || subscription.stream().queue().config().paused) return false;
  if (!subscription.dead_order.is_unfinished(subscription.dead())) return false;
  return DeadDelivery(core, now, subscription).run();
}

void return_dead(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
                 storage::ReleaseCause cause, base::Millis rest) {
  storage::ReleasedFact fact;
  fact.key = subscription.key();
  fact.cause = cause;
  record_ranges(core, subscription, std::move(fact), ranges);
  if (rest.count() > 0) {
    for (const base::SequenceRange& range : ranges) {
      subscription.dead_order.rest(range, now.mono + base::Nanos(rest));
    }
  }
  // While they were leased nothing could be taken from them to keep a limit.
  trim_dead_letters(core, subscription.stream().queue(), subscription.id());
}

void discard_dead(Core& core, Subscription& subscription, const Ranges& ranges) {
  remove(core, subscription, storage::RemoveCause::kDeadDiscarded, ranges);
}

}  // namespace sluice::broker
