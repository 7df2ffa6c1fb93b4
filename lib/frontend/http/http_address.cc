#include "frontend/http/http_address.h"

#include <charconv>

namespace sluice::frontend::http {

base::Result<HttpAddress> parse_http_address(const std::string& text) {
  const base::Error error =
      base::invalid_argument("\"" + text + "\" is no HOST:PORT, for instance 127.0.0.1:7652");
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

}  // namespace sluice::frontend::http
