#include "client/settle_queue.h"

#include <algorithm>
#include <utility>

namespace sluice::client {

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

void SettleQueue::add(SettleKind kind, base::Epoch epoch, base::SequenceRange range,
                      std::optional<base::Millis> delay, std::string_view error) {
  std::optional<std::uint32_t> delay_ms;
  if (delay) {
    constexpr std::int64_t kMax = ~std::uint32_t{0};
    delay_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(delay->count(), 0, kMax));
  }
  error = error.substr(0, wire::kErrorTextBytesMax);
  const bool joins = !waiting_.empty() && waiting_.back().kind == kind &&
                     waiting_.back().delay_ms == delay_ms && waiting_.back().error == error;
  if (!joins) {
    PendingSettle settle;
    settle.kind = kind;
    settle.delay_ms = delay_ms;
    settle.error = error;
    waiting_.push_back(std::move(settle));
  }
  PendingSettle* last = &waiting_.back();
  if (!last->receipts.empty() && last->receipts.back().epoch == epoch.value() &&
      last->receipts.back().last + 1 == range.first.value()) {
    last->receipts.back().last = range.last.value();
  } else {
    if (last->receipts.size() == wire::kReceiptsMax) {
      PendingSettle more;
      more.kind = last->kind;
      more.delay_ms = last->delay_ms;
      more.error = last->error;
      last = &waiting_.emplace_back(std::move(more));
    }
    last->receipts.push_back({epoch.value(), range.first.value(), range.last.value()});
  }
  last->messages += range.count();
}

void SettleQueue::on_sent(std::uint64_t request) {
  if (request != 0) sent_.emplace(request, std::move(waiting_.front()));
  waiting_.pop_front();
}

std::uint64_t SettleQueue::on_answered(std::uint64_t request) {
  const auto found = sent_.find(request);
  if (found == sent_.end()) return 0;
  const std::uint64_t messages = found->second.messages;
  sent_.erase(found);
  return messages;
}

void SettleQueue::on_session_lost() {
  for (auto at = sent_.rbegin(); at != sent_.rend(); ++at) {
    waiting_.push_front(std::move(at->second));
  }
  sent_.clear();
}

std::uint64_t SettleQueue::clear() {
  const std::uint64_t messages = unconfirmed_messages();
  waiting_.clear();
  sent_.clear();
  return messages;
}

std::uint64_t SettleQueue::unconfirmed_messages() const {
  std::uint64_t messages = 0;
  for (const PendingSettle& settle : waiting_) messages += settle.messages;
  for (const auto& [request, settle] : sent_) messages += settle.messages;
  return messages;
}

}  // namespace sluice::client
