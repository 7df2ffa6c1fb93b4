#pragma once

#include <string>

#include "base/time.h"

namespace sluice::cli {

// "2026-01-02T12:00:01.000Z".
std::string format_wall(base::WallTime time);

}  // namespace sluice::cli
