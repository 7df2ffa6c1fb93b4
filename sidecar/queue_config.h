#pragma once

#include "broker/config.h"
#include "operator/api/queue.h"

namespace sluice::sidecar {

// A validated Queue as the broker runs it. What only the operator acts on is left out. Pure.
broker::QueueConfig to_queue_config(const api::Queue& queue);

}  // namespace sluice::sidecar
