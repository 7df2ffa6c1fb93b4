#pragma once

#include "sidecar/broker_options.h"

namespace sluice::sidecar {

// Runs a broker until a signal stops it or it fails. What happens is told by log events; `ready`
// names the endpoints. Returns the exit code (exit_code.h). Call it before any thread exists.
int run_broker(const BrokerOptions& options);

}  // namespace sluice::sidecar
