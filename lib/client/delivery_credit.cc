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
  told_ = base_;
  return told_;
}

std::optional<DeliveryCredit::Limits> DeliveryCredit::due() const {
  if (stopped_) return std::nullopt;
  const Limits now = limits();
  const bool messages =
      (now.messages - told_.messages) * 2 >= std::max<std::uint64_t>(window_.messages, 1);
  const bool bytes = (now.bytes - told_.bytes) * 2 >= std::max<std::uint64_t>(window_.bytes, 1);
  if (!messages && !bytes) return std::nullopt;
  return now;
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
