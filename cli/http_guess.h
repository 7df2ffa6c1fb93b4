#pragma once

#include <string_view>

#include "base/time.h"

namespace sluice::cli {

// Whether what listens at tcp://HOST:PORT talks HTTP: the broker's other port, most likely. Asks
// once; false where nobody answers within `timeout`.
bool talks_http(std::string_view endpoint, base::Millis timeout);

}  // namespace sluice::cli
