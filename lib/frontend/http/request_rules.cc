#include "frontend/http/request_rules.h"

#include <algorithm>

namespace sluice::frontend::http {
namespace {

constexpr unsigned kHttp11 = 11;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<Response> refuse(const RequestHead& head) {
  if (head.version != kHttp11 && head.version != 10) {
    return error_response(505, "this is no HTTP/1.0 or HTTP/1.1");
  }
  if (head.host_count > 1 || (head.host_count == 0 && head.version == kHttp11)) {
    return error_response(400, "a request has one Host header");
  }
  // The ways to smuggle a second request past a proxy that reads the length differently.
  if (head.has_transfer_encoding && head.content_length_count > 0) {
    return error_response(400, "a request has Content-Length or Transfer-Encoding, never both");
  }
  if (head.content_length_count > 1) {
    return error_response(400, "a request has one Content-Length");
  }
  if (head.has_transfer_encoding && (!head.is_chunked || head.version != kHttp11)) {
    return error_response(400, "the only Transfer-Encoding is chunked, with HTTP/1.1");
  }
  if (!head.target.starts_with('/')) {
    return error_response(400, "the target of a request is a path: /healthz");
  }
  if (!head.expect.empty() && !equals_ignoring_case(head.expect, "100-continue")) {
    return error_response(417, "the only expectation is 100-continue");
  }
  return std::nullopt;
}

bool wants_continue(const RequestHead& head) {
  return head.version == kHttp11 && !head.expect.empty();
}

}  // namespace sluice::frontend::http
