#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "frontend/http/server.h"
#include "frontend/stats_board.h"
#include "runtime/clock.h"

namespace sluice::sidecar {

struct HttpAddress {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:7652", "[::1]:0", "localhost:80". InvalidArgument for anything else.
base::Result<HttpAddress> parse_http_address(const std::string& text);

// Starts /healthz, /readyz, /metrics and /api/v1 on `address`. The rest must outlive the server.
// Healthy = the loop has shown itself lately, or has not begun; ready = `ready`.
base::Result<std::unique_ptr<frontend::http::Server>> serve_http(const std::string& address,
                                                                 const frontend::StatsBoard& board,
                                                                 const std::atomic<bool>& ready,
                                                                 const runtime::Clock& clock);

}  // namespace sluice::sidecar
