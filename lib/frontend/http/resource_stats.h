#pragma once

#include "frontend/http/process_stats.h"

namespace sluice::frontend::http {

// Asks the kernel (/proc/self, getrlimit) about this process; a number that it does not tell stays
// 0. Costs some system calls and reads one folder: once a second, not once a message. Any thread.
ResourceStats read_resource_stats();

}  // namespace sluice::frontend::http
