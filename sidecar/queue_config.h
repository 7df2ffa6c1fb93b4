#pragma once

#include "base/result.h"
#include "broker/config.h"
#include "operator/api/queue.h"

namespace sluice::sidecar {

// A validated Queue as the broker runs it; Unimplemented names a field that this version does not
// have. What only the operator acts on is left out. Pure.
base::Result<broker::QueueConfig> to_queue_config(const api::Queue& queue);

}  // namespace sluice::sidecar
