#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "storage/recovery.h"

namespace sluice::cli {

// Damaged ranges of a log as every command that finds some tells them.
nlohmann::ordered_json corrupt_json(const std::vector<storage::CorruptRange>& ranges);
// "FILE BEGIN-END: REASON".
std::string corrupt_text(const storage::CorruptRange& range);

}  // namespace sluice::cli
