#pragma once

#include <memory>

#include "base/ids.h"
#include "client/delivered_batch.h"
#include "sluice/consumer.h"

namespace sluice {

// The inside of the public Delivery.
struct DeliveryAccess {
  static Delivery make(std::shared_ptr<const client::DeliveredBatch> batch,
                       const client::Delivery& from);
  static client::Receipt receipt(const Delivery& delivery) {
    const base::Sequence sequence(delivery.sequence_);
    return {base::ShardIndex(delivery.shard_), base::Epoch(delivery.epoch_), {sequence, sequence}};
  }
  static client::ReceiptWord word(const Delivery& delivery) {
    return {base::ShardIndex(delivery.shard_), base::Epoch(delivery.epoch_),
            base::Sequence(delivery.sequence_)};
  }
};

}  // namespace sluice
