#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sluice::cli {

// "2026-01-02T12:00:01.000Z".
std::string format_wall(base::WallTime time);

// The same form, the fraction of a second may be absent; UTC only.
base::Result<base::WallTime> parse_wall(std::string_view text);

}  // namespace sluice::cli
