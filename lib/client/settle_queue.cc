#include "client/settle_queue.h"

#include <algorithm>
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

void make_room(PendingSettle& settle, std::size_t more) {
  settle.receipts.reserve(std::min<std::size_t>(settle.receipts.size() + more, wire::kReceiptsMax));
}

}  // namespace

PendingSettle& SettleQueue::begin_frame(SettleKind kind, std::optional<std::uint32_t> delay_ms,
                                        std::string_view error) {
  PendingSettle& settle = waiting_.emplace_back();
  settle.kind = kind;
  settle.delay_ms = delay_ms;
  settle.error = error;
  settle.number = ++last_number_;
  return settle;
}

void SettleQueue::add(SettleKind kind, base::Epoch epoch, base::SequenceRange range,
                      std::optional<base::Millis> delay, std::string_view error,
                      SettleExtras extras) {
  std::optional<std::uint32_t> delay_ms;
  if (delay) {
    constexpr std::int64_t kMax = ~std::uint32_t{0};
    delay_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(delay->count(), 0, kMax));
  }
  error = error.substr(0, wire::kErrorTextBytesMax);
  PendingSettle* last = waiting_.empty() ? nullptr : &waiting_.back();
  const auto joins = [&] {
    if (last == nullptr || last->whole || extras.alone) return false;
    if (last->kind != kind || last->delay_ms != delay_ms || last->error != error) return false;
    const bool watched = extras.done || !last->watchers.empty();
    return !watched || (last->one_epoch && last->receipts.back().epoch == epoch.value());
  };
  if (!joins()) last = &begin_frame(kind, delay_ms, error);
  if (last->receipts.size() == wire::kReceiptsMax && !goes_on(*last, epoch, range)) {
    last = &begin_frame(kind, delay_ms, error);
  }
  append(*last, epoch, range);
  last->whole = extras.alone;
  if (extras.done) last->watchers.push_back(std::move(extras.done));
}

void SettleQueue::add_all(SettleKind kind, const DeliveredBatch& batch) {
  PendingSettle* last = nullptr;
  std::size_t left = batch.runs().size();
  for (const wire::DeliverRun& run : batch.runs()) {
    const std::uint64_t end = run.first + run.count;
    if (last == nullptr) {
      // The first says what frame it is; the rest stand behind it.
      const base::Sequence first(run.first);
      add(kind, batch.epoch(), {first, base::Sequence(end - 1)}, std::nullopt, {});
      last = &waiting_.back();
      make_room(*last, --left);
      continue;
    }
    if (last->receipts.back().last + 1 == run.first) {
      last->receipts.back().last = end - 1;
    } else {
      if (last->receipts.size() == wire::kReceiptsMax) {
        last = &begin_frame(kind, std::nullopt, {});
        make_room(*last, left);
      }
      last->receipts.push_back({batch.epoch().value(), run.first, end - 1});
    }
    --left;
    last->messages += run.count;
    unconfirmed_messages_ += run.count;
  }
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
