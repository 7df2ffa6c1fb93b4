#pragma once

#include <optional>

#include "base/time.h"
#include "broker/core.h"

namespace sluice::broker {

// When the oldest message that is ready or in flight was accepted; looked up when it changes.
std::optional<base::WallTime> oldest_accepted_at(Core& core, Subscription& subscription);

}  // namespace sluice::broker
