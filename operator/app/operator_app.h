#pragma once

#include "operator/app/options.h"

namespace sluice::op {

// Runs the operator until a signal stops it or it loses the lease. What happens is told by log
// events; `leading` says that it works. Returns the exit code (exit_code.h). Call it before any
// thread exists.
int run_operator(const OperatorOptions& options);

}  // namespace sluice::op
