#pragma once

#include <string>

#include "base/time.h"
#include "broker/core.h"
#include "broker/ticking.h"

namespace sluice::broker {

// What one slice of a task came to.
struct Slice {
  bool is_end = false;    // of the subscription over this shard
  std::string waits_for;  // nothing was done, because of this
  bool reads = false;     // storage is bringing in what it looks at next
};

// A slice of a copy or move: the next messages that the selector matches, as many as one batch of
// one shard of the target takes. They and the task's progress are one step: a transfer record that
// says which they are, and the batch itself, which is what makes it come true.
//
// A large message is a batch of its own. It is read over several slices, one message of one task at
// a time; nothing of it is in the log before all of it is.
//
// A message that cannot be read, or is larger than the target takes, stays where it is and counts
// as matched only. While the target is full or paused, or the disk low, nothing is done.
Slice transfer_slice(Core& core, base::Now now, Task& task, Subscription& subscription,
                     Budget& budget);

}  // namespace sluice::broker
