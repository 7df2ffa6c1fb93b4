#pragma once

#include "base/time.h"

namespace sluice::client {

// Between two tries at what the broker did not answer or refused for now.
inline constexpr base::Millis kRetryPause{100};

}  // namespace sluice::client
