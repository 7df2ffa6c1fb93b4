#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "frontend/http/server.h"
#include "frontend/stats_board.h"
#include "runtime/clock.h"

namespace sluice::sidecar {

// Starts /healthz, /readyz, /metrics and /api/v1 on `address`. The rest must outlive the server.
// Healthy = the loop has shown itself lately, or has not begun; ready = `ready`.
base::Result<std::unique_ptr<frontend::http::Server>> serve_http(const std::string& address,
                                                                 const frontend::StatsBoard& board,
                                                                 const std::atomic<bool>& ready,
                                                                 const runtime::Clock& clock);

}  // namespace sluice::sidecar
