#include "client/publish_lane.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "client/refusal.h"
#include "client/retry_pause.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

// Refusals after which no batch of this publisher can ever be taken.
bool ends_publisher(wire::Code code) {
  switch (code) {
    case wire::Code::kUnknownQueue:
    case wire::Code::kUnknownShard:
    case wire::Code::kStaleShardMap:
    case wire::Code::kProducerFenced:
    case wire::Code::kUnknownProducer:
    case wire::Code::kPermissionDenied:
    case wire::Code::kUnimplemented:
      return true;
    default:
      return false;
  }
}

// The handle means nothing to the broker: open again.
bool voids_handle(wire::Code code) {
  return code == wire::Code::kUnknownHandle || code == wire::Code::kNoSession ||
         code == wire::Code::kSessionFenced;
}

}  // namespace

std::shared_ptr<OutboundBuffer> frame_of(base::ByteView entries) {
  auto frame = std::make_shared<OutboundBuffer>(wire::kPublishPrefixBytes + entries.size());
  frame->resize(frame->capacity());
  std::memcpy(frame->data() + wire::kPublishPrefixBytes, entries.data(), entries.size());
  return frame;
}

std::uint64_t PendingBatch::bytes() const { return frame->size() - wire::kPublishPrefixBytes; }

void PublishLane::on_opening(std::uint64_t request) {
  CHECK(phase_ == Phase::kClosed);
  phase_ = Phase::kOpening;
  retry_at_.reset();
  open_request_ = request;
}

void PublishLane::on_opened(base::MonoTime now, const wire::PublisherOpened& opened) {
  const auto code = static_cast<wire::Code>(opened.code);
  if (code != wire::Code::kNone) {
    if (code == wire::Code::kStaleShardMap && !ends_on_refusal_) {
      close();
      return hold();
    }
    if (code == wire::Code::kUnknownProducer && !ends_on_refusal_) {
      return begin_again(opened.message);
    }
    if (!asks_for_patience(code) && !voids_handle(code)) return fail(code, opened.message);
    close();
    retry_at_ = now + kRetryPause;
    return;
  }
  phase_ = Phase::kOpen;
  retry_at_.reset();
  publisher_ = opened.publisher;
  producer_epoch_ = opened.producer_epoch;
  message_bytes_max_ = opened.message_bytes_max;
  taken_ = {};
  sending_ = {};
  limit_ = {opened.messages_limit, opened.bytes_limit};
  mark_stored(opened.last_sequence);
  last_stored_ = opened.last_sequence;
  next_sequence_ = opened.last_sequence + 1;
  if (!told_sequence_) told_sequence_ = opened.last_sequence;
  if (ends_on_refusal_ && opened.last_sequence < *told_sequence_) fail_for_loss(next_sequence_);
}

// What the broker lacks was answered, so it is no longer here to be sent again; what is here would
// get its numbers.
void PublishLane::fail_for_loss(std::uint64_t expected) {
  fail(wire::Code::kProducerGap,
       "the broker's disk has lost messages that were acknowledged: it "
       "waits for number " +
           std::to_string(expected) + "; open the producer again and send from there");
}

// What was sent over the old connection may have been stored, in whole batches and in order. What
// an earlier PUBLISHER_OPENED said to be stored is not any more where the broker's disk lost it:
// under its old number it would be stored anew, and the next message with it.
void PublishLane::mark_stored(std::uint64_t last_sequence) {
  for (PendingBatch& batch : batches_) {
    batch.is_stored =
        (batch.may_be_stored || batch.is_stored) && batch.last_sequence() <= last_sequence;
    batch.may_be_stored = false;
  }
}

void PublishLane::drop_stored(std::uint64_t last_sequence) {
  while (!batches_.empty() && batches_.front().may_be_stored &&
         batches_.front().last_sequence() <= last_sequence) {
    finish_front(wire::Code::kNone, {}, base::Sequence(0), true);
  }
}

void PublishLane::on_session_lost() {
  if (phase_ != Phase::kFailed) close();
}

void PublishLane::close() {
  phase_ = Phase::kClosed;
  retry_at_.reset();
  publisher_ = 0;
  under_way_ = 0;
  sending_ = {};
  // Sequences stay: they say what last_sequence of the next on_opened() means for them.
  for (PendingBatch& batch : batches_) batch.request = 0;
}

void PublishLane::on_map() {
  CHECK(under_way_ == 0);
  map_is_stale_ = false;
  awaits_routing_ = true;
  if (phase_ == Phase::kOpen) close();
}

bool PublishLane::is_clear() const {
  // What an earlier PUBLISHER_OPENED said is not known until there is the next one.
  return under_way_ == 0 &&
         std::none_of(batches_.begin(), batches_.end(), [this](const PendingBatch& batch) {
           return batch.may_be_stored || (batch.is_stored && phase_ != Phase::kOpen);
         });
}

std::vector<PendingBatch> PublishLane::take_unstored() {
  CHECK(is_clear());
  std::vector<PendingBatch> taken;
  std::deque<PendingBatch> stored;
  for (PendingBatch& batch : batches_) {
    if (batch.is_stored) {
      stored.push_back(std::move(batch));
    } else {
      batch.producer_sequence = 0;
      taken.push_back(std::move(batch));
    }
  }
  batches_ = std::move(stored);
  return taken;
}

// Of what was sent over a lost connection nobody will ever know more; the rest was never stored.
void PublishLane::begin_again(std::string_view message) {
  while (!batches_.empty() && (batches_.front().may_be_stored || batches_.front().is_stored)) {
    if (batches_.front().is_stored) {
      finish_front(wire::Code::kNone, {}, base::Sequence(0), true);
    } else {
      finish_front(wire::Code::kUnknownProducer, message, base::Sequence(0), false);
    }
  }
  close();
  producer_epoch_ = 0;
  last_stored_ = 0;
  next_sequence_ = 1;
  forgotten_ = true;
}

void PublishLane::add(PendingBatch batch) {
  batches_.push_back(std::move(batch));
  if (phase_ == Phase::kFailed) fail(failure_, std::string(failure_message_));
}

bool PublishLane::has_credit(const PendingBatch& batch) const {
  if (taken_.messages + sending_.messages + batch.count > limit_.messages) return false;
  if (taken_.bytes + sending_.bytes + batch.bytes() <= limit_.bytes) return true;
  // It may be above the whole window.
  return batch.large() && sending_.bytes == 0 && taken_.bytes < limit_.bytes;
}

// Leaves at the front as many messages as the credit allows, the rest behind them.
bool PublishLane::cut_to_credit() {
  if (taken_.messages >= limit_.messages || taken_.bytes >= limit_.bytes) return false;
  PendingBatch& whole = batches_.front();
  const std::uint64_t messages_max = limit_.messages - taken_.messages;
  const std::uint64_t bytes_max = limit_.bytes - taken_.bytes;
  const base::ByteView entries = whole.frame->view().subspan(wire::kPublishPrefixBytes);
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  while (count < whole.count && count < messages_max) {
    const std::size_t entry = base::load<std::uint32_t>(entries.data() + bytes);
    if (bytes + entry > bytes_max) break;
    bytes += entry;
    ++count;
  }
  if (count > 0 && count < whole.count) cut_front(count, bytes);
  return count > 0;
}

// Leaves so many messages, of so many bytes, in the first batch, and puts the rest behind it.
void PublishLane::cut_front(std::uint32_t count, std::size_t bytes) {
  PendingBatch& whole = batches_.front();
  const base::ByteView entries = whole.frame->view().subspan(wire::kPublishPrefixBytes);
  PendingBatch rest = whole;
  rest.frame = frame_of(entries.subspan(bytes));
  rest.count = whole.count - count;
  if (whole.places.empty()) {
    rest.place = whole.place + count;
  } else {
    rest.places.erase(rest.places.begin(), rest.places.begin() + count);
    whole.places.resize(count);
  }
  whole.frame = frame_of(entries.first(bytes));
  whole.count = count;
  batches_.insert(batches_.begin() + 1, std::move(rest));
}

// True where the first message was, and is done with.
bool PublishLane::refuse_oversized() {
  const PendingBatch& front = batches_.front();
  const base::ByteView entries = front.frame->view().subspan(wire::kPublishPrefixBytes);
  const std::size_t entry = base::load<std::uint32_t>(entries.data());
  // Below that the body may be small enough, and an empty queue gives credit for it.
  if (entry <= base::kEntryHeaderBytes + base::kAttributesBytesMax + message_bytes_max_) {
    return false;
  }
  const std::string text = "a message of " + std::to_string(entry) +
                           " B: the queue takes bodies of " + std::to_string(message_bytes_max_) +
                           " B by now";
  if (ends_on_refusal_) {
    fail(wire::Code::kMessageTooLarge, text);
    return true;
  }
  if (front.count > 1) cut_front(1, entry);
  finish_front(wire::Code::kMessageTooLarge, text, base::Sequence(0), false);
  return true;
}

PendingBatch* PublishLane::next(base::MonoTime now) {
  if (phase_ != Phase::kOpen || map_is_stale_ || awaits_routing_) return nullptr;
  if (retry_at_ && now < *retry_at_) return nullptr;
  retry_at_.reset();
  if (under_way_ == batches_.size() || (probing_ && under_way_ > 0)) return nullptr;
  if (batches_[under_way_].is_stored) return &batches_[under_way_];  // it needs no credit
  if (!has_credit(batches_[under_way_])) {
    if (under_way_ > 0) return nullptr;
    if (!cut_to_credit()) return refuse_oversized() ? next(now) : nullptr;
  }
  PendingBatch& batch = batches_[under_way_];
  batch.producer_sequence = next_sequence_;
  return &batch;
}

void PublishLane::on_sent(std::uint64_t request) {
  PendingBatch& batch = batches_[under_way_];
  batch.request = request;
  ++batch.sends;
  ++under_way_;
  if (batch.is_stored) return;
  batch.may_be_stored = true;
  next_sequence_ += batch.count;
  sending_.messages += batch.count;
  sending_.bytes += batch.bytes();
}

void PublishLane::on_credit(std::uint64_t messages_limit, std::uint64_t bytes_limit) {
  limit_.messages = std::max(limit_.messages, messages_limit);
  limit_.bytes = std::max(limit_.bytes, bytes_limit);
}

bool PublishLane::on_published(base::MonoTime now, std::uint64_t request,
                               const wire::Published& published) {
  if (phase_ != Phase::kOpen) return false;
  on_credit(published.messages_limit, published.bytes_limit);
  if (request == 0 || under_way_ == 0) return false;
  if (batches_.front().request != request) {
    const auto end = batches_.begin() + static_cast<std::ptrdiff_t>(under_way_);
    const auto overtaken = std::find_if(
        batches_.begin(), end, [&](const PendingBatch& batch) { return batch.request == request; });
    if (overtaken == end) return false;
    if (static_cast<wire::Code>(published.code) == wire::Code::kStaleShardMap &&
        !ends_on_refusal_) {
      // Known without a look at the queue. What was sent before is answered when it is committed.
      rewind(static_cast<std::size_t>(overtaken - batches_.begin()));
      hold();
      return true;
    }
    // Answers come in order, so one that overtakes another means that its batch is unaccounted for.
    fail(wire::Code::kMalformed, "the broker's answers are out of order");
    return true;
  }
  const auto code = static_cast<wire::Code>(published.code);
  if (code != wire::Code::kNone) {
    on_refused(now, code, published);
    return true;
  }
  probing_ = false;
  const PendingBatch& stored = batches_.front();
  last_stored_ = std::max(last_stored_, stored.last_sequence());
  if (!published.duplicate) {
    taken_.messages += stored.count;
    taken_.bytes += stored.bytes();
  }
  finish_front(code, {}, base::Sequence(published.first), published.duplicate);
  return true;
}

void PublishLane::on_refused(base::MonoTime now, wire::Code code,
                             const wire::Published& published) {
  if (code == wire::Code::kStaleShardMap && !ends_on_refusal_) {
    rewind();
    return hold();
  }
  if (code == wire::Code::kUnknownProducer && !ends_on_refusal_) {
    rewind();
    return begin_again(published.message);
  }
  if (ends_publisher(code)) return fail(code, published.message);
  if (voids_handle(code)) return close();
  // What is stored stays stored, whatever the answer to asking for its place is.
  if (batches_.front().is_stored) {
    return finish_front(wire::Code::kNone, {}, base::Sequence(0), true);
  }
  const std::uint64_t sequence = batches_.front().producer_sequence;
  probing_ = true;
  if (asks_for_patience(code)) {
    retry_at_ = now + kRetryPause;
  } else if (code == wire::Code::kProducerGap) {
    if (published.expected_sequence == sequence) {
      return fail(wire::Code::kMalformed, "the broker refused the sequence that it expects");
    }
    if (ends_on_refusal_ && published.expected_sequence < sequence) {
      return fail_for_loss(published.expected_sequence);
    }
    // Everything before was answered, so what it lacks is no longer ours to send again.
    drop_stored(published.expected_sequence - 1);
    rewind();
    next_sequence_ = published.expected_sequence;
    return;
  } else if (code != wire::Code::kCreditExceeded && ends_on_refusal_) {
    return fail(code, published.message);
  } else if (code != wire::Code::kCreditExceeded) {
    finish_front(code, published.message, base::Sequence(0), false);
  }
  rewind();
  next_sequence_ = sequence;
}

void PublishLane::finish_front(wire::Code code, std::string_view message, base::Sequence first,
                               bool duplicate) {
  if (under_way_ > 0) --under_way_;
  if (code == wire::Code::kNone) {
    told_sequence_ = std::max(told_sequence_.value_or(0), batches_.front().last_sequence());
  }
  if (batches_.front().request != 0 && !batches_.front().is_stored) {
    sending_.messages -= batches_.front().count;
    sending_.bytes -= batches_.front().bytes();
  }
  finished_.push_back({std::move(batches_.front()), first, duplicate, code, std::string(message)});
  batches_.pop_front();
}

// What is under way behind a refused batch is refused for its gap, so it is certain not to be
// stored, and its answers say nothing new: it is sent again, with new numbers.
void PublishLane::rewind(std::size_t first) {
  sending_ = {};
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    PendingBatch& batch = batches_[i];
    if (i >= first) {
      batch.request = 0;
      batch.may_be_stored = false;
    } else if (!batch.is_stored) {
      sending_.messages += batch.count;
      sending_.bytes += batch.bytes();
    }
  }
  under_way_ = std::min(under_way_, first);
}

void PublishLane::fail(wire::Code code, std::string_view message) {
  phase_ = Phase::kFailed;
  failure_ = code;
  failure_message_ = message;
  while (!batches_.empty()) {
    if (batches_.front().is_stored) {
      finish_front(wire::Code::kNone, {}, base::Sequence(0), true);
    } else {
      finish_front(code, failure_message_, base::Sequence(0), false);
    }
  }
}

std::vector<FinishedBatch> PublishLane::take_finished() { return std::exchange(finished_, {}); }

}  // namespace sluice::client
