#pragma once

#include "base/result.h"
#include "cli/bench/options.h"
#include "cli/bench/report.h"

namespace sluice::cli::bench {

// Starts a broker and the workers, each a process, drives the load and checks that every message
// came once. When this returns all of them have ended and nothing of them is left on disk.
base::Result<Report> run_bench(const Options& options);

}  // namespace sluice::cli::bench
