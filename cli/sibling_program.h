#pragma once

#include <string>

#include "base/result.h"

namespace sluice::cli {

// The path of an installed program that lies beside this one (same folder), for instance
// "sluice-sidecar". NotFound where it does not.
base::Result<std::string> sibling_program(const std::string& name);
// This program's own path.
base::Result<std::string> own_program();

}  // namespace sluice::cli
