#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"

// Large messages that come in pieces (SessionBook::gather), until they are whole or given up.
namespace sluice::broker {

// The first piece is good. nullptr = there are too many at once, and the message was refused.
Gathering* begin_gathering(Core& core, const PublishChunk& command);
// The message that is being received will not be taken.
void give_up(Core& core, PublisherHandle publisher, Refusal refusal);
// Those whose next piece does not come are given up.
void expire_gatherings(Core& core, base::Now now);
std::optional<base::MonoTime> next_gathering_deadline(const Core& core);
// The queue's publishers are about to go: what is on its way is refused, with `why`.
void abandon_gatherings(Core& core, const Queue& queue, std::string_view why);

}  // namespace sluice::broker
