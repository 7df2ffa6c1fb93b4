#pragma once

#include <memory>

#include "client/delivered_batch.h"
#include "sluice/consumer.h"

namespace sluice {

// The inside of the public Delivery.
struct DeliveryAccess {
  static Delivery make(std::shared_ptr<const client::DeliveredBatch> batch,
                       const client::Delivery& from);
  static client::Receipt receipt(const Delivery& delivery);
};

}  // namespace sluice
