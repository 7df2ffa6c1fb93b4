#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// One request and its answer as plain values; nothing here knows the library that carries them.
namespace sluice::frontend::http {

struct Request {
  std::string method;  // "GET"; the server turns HEAD into GET
  std::string path;    // begins with '/', without the query; not decoded
  std::string query;   // without '?'
  std::string host;    // the Host header
  bool peer_is_loopback = false;
};

// Bodies are shared, so that one rendered page can be on its way to many peers.
using Body = std::shared_ptr<const std::string>;

struct Response {
  int status = 200;
  std::string content_type;
  Body body;
  // Further header lines. Values are the program's own words, never a peer's.
  std::vector<std::pair<std::string, std::string>> headers;
};

inline constexpr std::string_view kJsonType = "application/json";

Response text_response(int status, std::string_view content_type, std::string body);
// {"error": "...", "allowed": [...]}: what is wrong, and what there is instead.
Response error_response(int status, std::string_view what,
                        const std::vector<std::string>& allowed = {});

using Handler = std::function<Response(const Request&)>;

}  // namespace sluice::frontend::http
