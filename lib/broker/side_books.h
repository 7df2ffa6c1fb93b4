#pragma once

#include "broker/backoff_clock.h"
#include "storage/side_index.h"

namespace sluice::broker {

// What the books that are ordered by time work on; one a broker, and it outlives them.
struct SideBooks {
  storage::SideIndex& index;
  BackoffClock& clock;
};

}  // namespace sluice::broker
