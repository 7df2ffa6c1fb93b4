#pragma once

#include <cstddef>

#include "base/result.h"
#include "base/time.h"
#include "broker/core.h"

namespace sluice::broker {

// Creates or changes the queue of that name; no record when nothing changes. Refused, naming the
// field: what this version does not do, another number of shards, and the removal of a subscription
// that still has messages (waiting, in flight or dead). A typo in a manifest must not lose
// messages: purge the subscription first, then remove it.
base::Result<base::QueueId> configure(Core& core, const Configure& command);
// Whether configure() would take it after so many new queues. Changes nothing.
base::Status check_configure(const Core& core, const Configure& command, std::size_t new_ones);

void delete_queue(Core& core, const DeleteQueue& command);

}  // namespace sluice::broker
