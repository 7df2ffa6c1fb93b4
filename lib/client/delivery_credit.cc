#include "client/delivery_credit.h"

#include <algorithm>

namespace sluice::client {

DeliveryCredit::Limits DeliveryCredit::limits() const {
  return {base_.messages + freed_.messages, base_.bytes + freed_.bytes};
}

DeliveryCredit::Limits DeliveryCredit::begin() {
  base_ = {window_.messages - std::min(window_.messages, held_.messages),
           window_.bytes - std::min(window_.bytes, held_.bytes)};
  freed_ = {};
  on_told(base_);
  return told_;
}

std::optional<DeliveryCredit::Limits> DeliveryCredit::due(base::MonoTime now) {
  const Limits next = limits();
  if (stopped_ || next.messages == told_.messages) return std::nullopt;
  if (!due_at_) due_at_ = now + kCreditPause;
  const bool messages = (next.messages - told_.messages) * 2 >= window_.messages;
  const bool bytes = (next.bytes - told_.bytes) * 2 >= window_.bytes;
  if (!messages && !bytes && now < *due_at_) return std::nullopt;
  return next;
}

void DeliveryCredit::on_delivered(base::Epoch epoch, std::uint32_t messages, std::uint64_t bytes) {
  Batch& batch = batches_[epoch];
  batch.messages += messages;
  batch.bytes += bytes;
  held_.messages += messages;
  held_.bytes += bytes;
}

void DeliveryCredit::on_settled(base::Epoch epoch, std::uint64_t messages) {
  if (last_ == nullptr || last_epoch_ != epoch) {
    const auto found = batches_.find(epoch);
    if (found == batches_.end()) return;
    last_epoch_ = epoch;
    last_ = &found->second;
  }
  Batch& batch = *last_;
  messages = std::min(messages, batch.messages);
  if (messages == 0) return;
  const std::uint64_t bytes =
      messages == batch.messages ? batch.bytes : batch.bytes / batch.messages * messages;
  batch.messages -= messages;
  batch.bytes -= bytes;
  held_.messages -= messages;
  held_.bytes -= bytes;
  freed_.messages += messages;
  freed_.bytes += bytes;
  if (batch.messages == 0) {
    last_ = nullptr;
    batches_.erase(epoch);
  }
}

void DeliveryCredit::clear() {
  batches_.clear();
  last_ = nullptr;
  held_ = {};
}

}  // namespace sluice::client
