#include "sidecar/http_side.h"

#include <memory>
#include <utility>

#include "frontend/http/endpoints.h"
#include "frontend/http/http_address.h"

namespace sluice::sidecar {
namespace {

namespace http = frontend::http;

// The loop shows itself once a second; one that did not for so long hangs.
constexpr std::int64_t kHangMs = 60'000;

http::Verdict healthy(const frontend::StatsBoard& board, const runtime::Clock& clock) {
  const auto stats = board.latest();
  if (stats == nullptr) return {true, "recovering"};
  const std::int64_t age = clock.wall_now() - stats->taken_at;
  if (age > kHangMs) return {false, "the loop has not turned for " + std::to_string(age) + " ms"};
  return {true, ""};
}

}  // namespace

base::Result<std::unique_ptr<http::Server>> serve_http(const std::string& address,
                                                       const frontend::StatsBoard& board,
                                                       const std::atomic<bool>& ready,
                                                       const runtime::Clock& clock) {
  auto parsed = http::parse_http_address(address);
  if (!parsed.has_value()) return parsed.error().with_prefix("--http");
  http::EndpointSources sources;
  sources.healthy = [&board, &clock] { return healthy(board, clock); };
  sources.ready = [&ready]() -> http::Verdict {
    if (ready.load()) return {true, ""};
    return {false, "recovering or stopping"};
  };
  sources.stats = [&board] { return board.latest(); };
  const auto router = std::make_shared<const http::Router>(http::make_router(std::move(sources)));
  http::ServerOptions options;
  options.host = parsed->host;
  options.port = parsed->port;
  return http::Server::start(
      options, [router](const http::Request& request) { return router->handle(request); });
}

}  // namespace sluice::sidecar
