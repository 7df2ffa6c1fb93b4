#pragma once

#include <string>

#include "base/result.h"
#include "cli/output.h"
#include "runtime/file_system.h"

namespace sluice::cli {

// Every record of the log in `folder`, oldest first, one a line; damaged places too. Changes
// nothing, also beside a running broker.
base::Status dump_log(runtime::FileSystem& fs, const std::string& folder, bool json,
                      Output& output);

}  // namespace sluice::cli
