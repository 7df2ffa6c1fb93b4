#pragma once

#include "broker/core.h"
#include "broker/ticking.h"

namespace sluice::broker {

// Puts a subscription of one shard to another place of its stream; answered by a SeekReply. Where
// that means to settle much, ticks go on with it; until then nothing is delivered there, and the
// answer waits. A restart meanwhile leaves it half done and unanswered: asking again goes on.
void seek(Core& core, const Seek& command);
void go_on_seeking(Core& core, Budget& budget);

// The first message that was accepted at `time` or later; the stream's next one where there is
// none. A binary search over batches: some 25 looks into the index, however long the stream is.
base::Result<base::Sequence> first_accepted_at(const Core& core, const Stream& stream,
                                               base::WallTime time);

}  // namespace sluice::broker
