#include "frontend/http/router.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::frontend::http {
namespace {

constexpr std::string_view kAnyStep = "/*";

}  // namespace

void Router::get(std::string path, Handler handler) {
  CHECK(std::none_of(routes_.begin(), routes_.end(),
                     [&](const Route& route) { return route.path == path; }));
  routes_.push_back({std::move(path), std::move(handler)});
}

bool Router::matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with(kAnyStep)) return pattern == path;
  const std::string_view prefix = pattern.substr(0, pattern.size() - 1);
  return path.size() > prefix.size() && path.starts_with(prefix) &&
         path.find('/', prefix.size()) == std::string_view::npos;
}

Response Router::handle(const Request& request) const {
  for (const Route& route : routes_) {
    if (!matches(route.path, request.path)) continue;
    if (request.method == "GET") return route.handler(request);
    Response response = error_response(
        405, "this path only answers questions; nothing can be changed here", {"GET", "HEAD"});
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  std::vector<std::string> paths;
  for (const Route& route : routes_) paths.push_back(route.path);
  return error_response(404, "there is no such path", paths);
}

}  // namespace sluice::frontend::http
