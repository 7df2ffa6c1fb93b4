#pragma once

#include "base/time.h"
#include "broker/core.h"

// Messages in.
namespace sluice::broker {

void open_publisher(Core& core, base::Now now, const OpenPublisher& command);
void publish(Core& core, base::Now now, const Publish& command);

// Messages that are too large for a Publish: checked at their first piece, so that what cannot be
// taken is refused before it is sent, and once more when they are whole.
void publish_chunk(Core& core, base::Now now, const PublishChunk& command);

}  // namespace sluice::broker
