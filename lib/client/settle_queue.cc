#include "client/settle_queue.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace sluice::client {

void tell(const std::vector<SettleCallback>& watchers, const base::Status& status) {
  for (const SettleCallback& watcher : watchers) watcher(status);
}

wire::Settle PendingSettle::to_frame(std::uint32_t attachment) const {
  wire::Settle settle;
  settle.attachment = attachment;
  settle.kind = static_cast<std::uint8_t>(kind);
  settle.has_delay = delay_ms.has_value();
  settle.delay_ms = delay_ms.value_or(0);
  settle.error = error;
  settle.receipts = receipts;
  return settle;
}

namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};

// REQUIRES: at most 64 messages.
std::uint64_t bits_of(std::uint64_t messages) { return kAll >> (64 - messages); }

bool goes_on(const PendingSettle& frame, base::Epoch epoch, base::SequenceRange range) {
  if (frame.receipts.empty()) return false;
  const wire::WireReceipt& last = frame.receipts.back();
  return last.bits == 0 && last.epoch == epoch.value() && last.last + 1 == range.first.value();
}

}  // namespace

void SettleQueue::begin_frame(SettleKind kind, std::optional<std::uint32_t> delay_ms,
                              std::string_view error) {
  PendingSettle& settle = waiting_.emplace_back();
  settle.kind = kind;
  settle.delay_ms = delay_ms;
  settle.error = error;
  settle.number = ++last_number_;
}

// The last frame takes it, or a new one does.
void SettleQueue::choose_frame(SettleKind kind, base::Epoch epoch,
                               std::optional<std::uint32_t> delay_ms, std::string_view error,
                               const SettleExtras& extras) {
  const PendingSettle* const last = waiting_.empty() ? nullptr : &waiting_.back();
  const auto joins = [&] {
    if (last == nullptr || last->whole || extras.alone) return false;
    if (last->kind != kind || last->delay_ms != delay_ms || last->error != error) return false;
    const bool watched = extras.done || !last->watchers.empty();
    return !watched || (last->one_epoch && last->receipts.back().epoch == epoch.value());
  };
  if (!joins()) begin_frame(kind, delay_ms, error);
}

void SettleQueue::add(SettleKind kind, base::Epoch epoch, base::SequenceRange range,
                      std::optional<base::Millis> delay, std::string_view error,
                      SettleExtras extras) {
  std::optional<std::uint32_t> delay_ms;
  if (delay) {
    constexpr std::int64_t kMax = ~std::uint32_t{0};
    delay_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(delay->count(), 0, kMax));
  }
  choose_frame(kind, epoch, delay_ms, error.substr(0, wire::kErrorTextBytesMax), extras);
  append(epoch, range);
  waiting_.back().whole = extras.alone;
  if (extras.done) waiting_.back().watchers.push_back(std::move(extras.done));
}

void SettleQueue::add_all(SettleKind kind, const DeliveredBatch& batch) {
  bool begun = false;
  for (const wire::DeliverRun& run : batch.runs()) {
    const base::Sequence first(run.first);
    const base::SequenceRange range{first, first + (run.count - 1)};
    // The first says what frame it is; the rest stand behind it.
    if (begun) {
      append(batch.epoch(), range);
    } else {
      add(kind, batch.epoch(), range, std::nullopt, {});
    }
    begun = true;
  }
}

void SettleQueue::ack(base::Epoch epoch, base::Sequence first, std::uint64_t bits) {
  choose_frame(SettleKind::kAck, epoch, std::nullopt, {}, {});
  const auto messages = static_cast<std::uint64_t>(std::popcount(bits));
  const auto highest = static_cast<std::uint64_t>(std::bit_width(bits) - 1);
  const wire::WireReceipt word{epoch.value(), first.value(), first.value() + highest, bits};
  if (bits == bits_of(messages) || words_max_ == 0) {
    return wire::for_each_range(word, [&](base::SequenceRange range) { append(epoch, range); });
  }
  if (waiting_.back().words == words_max_) begin_next();
  push(word);
  count(messages);
}

void SettleQueue::allow_words(bool allowed) {
  words_max_ = allowed ? wire::kReceiptWordsMax : 0;
  if (allowed) return;
  for (PendingSettle& settle : std::exchange(waiting_, {})) {
    if (settle.words == 0) {
      waiting_.push_back(std::move(settle));
      continue;
    }
    // As many frames as it takes, all with its number; the last one's answer is told.
    const std::vector<wire::WireReceipt> receipts = std::exchange(settle.receipts, {});
    const std::vector<SettleCallback> watchers = std::exchange(settle.watchers, {});
    settle.words = 0;
    settle.messages = 0;
    settle.whole = true;
    waiting_.push_back(settle);
    for (const wire::WireReceipt& receipt : receipts) {
      wire::for_each_range(receipt, [&](base::SequenceRange range) {
        if (waiting_.back().receipts.size() == wire::kReceiptsMax) waiting_.push_back(settle);
        waiting_.back().receipts.push_back(
            {receipt.epoch, range.first.value(), range.last.value(), 0});
        waiting_.back().messages += range.count();
      });
    }
    waiting_.back().watchers = watchers;
  }
}

// The last receipt is a word that the range has a place in, or may become one.
bool SettleQueue::fits_word(base::Epoch epoch, base::SequenceRange range) const {
  const PendingSettle& frame = waiting_.back();
  if (frame.receipts.empty()) return false;
  const wire::WireReceipt& last = frame.receipts.back();
  return last.epoch == epoch.value() && last.last < range.first.value() &&
         range.last.value() - last.first < 64 && (last.bits != 0 || frame.words < words_max_);
}

// To the last frame, or to one behind it where that is full.
void SettleQueue::append(base::Epoch epoch, base::SequenceRange range) {
  PendingSettle& frame = waiting_.back();
  if (goes_on(frame, epoch, range)) {
    frame.receipts.back().last = range.last.value();
  } else if (fits_word(epoch, range)) {
    wire::WireReceipt& word = frame.receipts.back();
    if (word.bits == 0) {
      word.bits = bits_of(word.last - word.first + 1);
      ++frame.words;
    }
    word.bits |= bits_of(range.count()) << (range.first.value() - word.first);
    word.last = range.last.value();
  } else {
    push({epoch.value(), range.first.value(), range.last.value(), 0});
  }
  count(range.count());
}

// Into the last frame, or into one behind it where that is full.
void SettleQueue::push(const wire::WireReceipt& receipt) {
  if (waiting_.back().receipts.size() == wire::kReceiptsMax) begin_next();
  PendingSettle& frame = waiting_.back();
  frame.one_epoch =
      frame.one_epoch && (frame.receipts.empty() || frame.receipts.back().epoch == receipt.epoch);
  if (receipt.bits != 0) ++frame.words;
  frame.receipts.push_back(receipt);
}

// The last frame is full; what follows is of its kind.
void SettleQueue::begin_next() {
  const PendingSettle& full = waiting_.back();
  begin_frame(full.kind, full.delay_ms, full.error);
}

void SettleQueue::count(std::uint64_t messages) {
  waiting_.back().messages += messages;
  unconfirmed_messages_ += messages;
}

void SettleQueue::on_sent(std::uint64_t request) {
  if (request != 0) {
    sent_.emplace(request, std::move(waiting_.front()));
  } else {
    unconfirmed_messages_ -= waiting_.front().messages;
  }
  waiting_.pop_front();
}

std::optional<PendingSettle> SettleQueue::on_answered(std::uint64_t request) {
  const auto found = sent_.find(request);
  if (found == sent_.end()) return std::nullopt;
  std::optional<PendingSettle> answered(std::move(found->second));
  sent_.erase(found);
  unconfirmed_messages_ -= answered->messages;
  return answered;
}

void SettleQueue::on_session_lost() {
  for (auto at = sent_.rbegin(); at != sent_.rend(); ++at) {
    at->second.is_again = true;
    at->second.whole = true;
    waiting_.push_front(std::move(at->second));
  }
  sent_.clear();
}

SettleQueue::Dropped SettleQueue::clear() {
  on_session_lost();
  Dropped dropped;
  dropped.messages = std::exchange(unconfirmed_messages_, 0);
  for (PendingSettle& settle : waiting_) {
    std::vector<SettleCallback>& out = settle.is_again ? dropped.unanswered : dropped.never_sent;
    std::move(settle.watchers.begin(), settle.watchers.end(), std::back_inserter(out));
  }
  waiting_.clear();
  return dropped;
}

void SettleQueue::take_watchers(std::vector<SettleCallback>& watchers) {
  const auto take = [&watchers](PendingSettle& settle) {
    std::move(settle.watchers.begin(), settle.watchers.end(), std::back_inserter(watchers));
    settle.watchers.clear();
  };
  for (auto& [request, settle] : sent_) take(settle);
  for (PendingSettle& settle : waiting_) take(settle);
}

bool SettleQueue::is_done(std::uint64_t number) const {
  if (!sent_.empty()) return number < sent_.begin()->second.number;
  return waiting_.empty() || number < waiting_.front().number;
}

}  // namespace sluice::client
