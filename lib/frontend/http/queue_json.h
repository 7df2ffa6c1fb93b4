#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/stats.h"
#include "frontend/http/process_stats.h"

// The queues as people and scripts get them from /api/v1. Settings are named and written as in the
// manifest, so that the two can be compared.
namespace sluice::frontend::http {

// {"takenAt": ms since 1970, "incarnation": n, "queues": [...]}
std::string queues_json(const ProcessStats& stats);
// One queue of the list; nullopt where there is none of that name.
std::optional<std::string> queue_json(const ProcessStats& stats, std::string_view name);

}  // namespace sluice::frontend::http
