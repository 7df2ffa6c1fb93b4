#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sluice::base {

// "2026-01-02T12:00:01.000Z".
std::string format_wall(WallTime time);

// The same form, the fraction of a second may be absent; UTC only.
Result<WallTime> parse_wall(std::string_view text);

}  // namespace sluice::base
