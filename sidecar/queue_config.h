#pragma once

#include <cstdint>

#include "base/result.h"
#include "broker/config.h"
#include "operator/api/queue.h"

namespace sluice::sidecar {

// A validated Queue as the broker runs it; Unimplemented names a field that this version does not
// have. What only the operator acts on is left out. Pure.
//
// `shares` = so many brokers have one shard of the queue each: limits in messages and bytes, also
// of dead letters and retention, are divided by it, rounded up.
base::Result<broker::QueueConfig> to_queue_config(const api::Queue& queue,
                                                  std::uint16_t shares = 1);

}  // namespace sluice::sidecar
