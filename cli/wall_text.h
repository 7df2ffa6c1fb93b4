#pragma once

#include "base/wall_text.h"

namespace sluice::cli {

using base::format_wall;
using base::parse_wall;

}  // namespace sluice::cli
