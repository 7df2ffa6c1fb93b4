#pragma once

#include <string>

#include "bench/limit/options.h"

namespace sluice::bench {

// Each is the whole life of one process: connects to the broker, does its part, returns.
void run_producer(const std::string& endpoint, const LimitOptions& options, Times& times);
void run_consumer(const std::string& endpoint, const LimitOptions& options);

}  // namespace sluice::bench
