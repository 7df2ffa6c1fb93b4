#include "sidecar/http_side.h"

#include <charconv>
#include <memory>
#include <utility>

#include "frontend/http/endpoints.h"

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

base::Result<HttpAddress> parse_http_address(const std::string& text) {
  const base::Error error = base::invalid_argument(
      "--http: \"" + text + "\" is no HOST:PORT, for instance 127.0.0.1:7652");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return error;
  HttpAddress address;
  address.host = text.substr(0, colon);
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(begin, end, address.port);
  if (problem != std::errc() || at != end || begin == end) return error;
  return address;
}

base::Result<std::unique_ptr<http::Server>> serve_http(const std::string& address,
                                                       const frontend::StatsBoard& board,
                                                       const std::atomic<bool>& ready,
                                                       const runtime::Clock& clock) {
  ASSIGN_OR_RETURN(const HttpAddress parsed, parse_http_address(address));
  http::EndpointSources sources;
  sources.healthy = [&board, &clock] { return healthy(board, clock); };
  sources.ready = [&ready]() -> http::Verdict {
    if (ready.load()) return {true, ""};
    return {false, "recovering or stopping"};
  };
  sources.stats = [&board] { return board.latest(); };
  const auto router = std::make_shared<const http::Router>(http::make_router(std::move(sources)));
  http::ServerOptions options;
  options.host = parsed.host;
  options.port = parsed.port;
  return http::Server::start(
      options, [router](const http::Request& request) { return router->handle(request); });
}

}  // namespace sluice::sidecar
