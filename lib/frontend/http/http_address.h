#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace sluice::frontend::http {

struct HttpAddress {
  std::string host;
  std::uint16_t port = 0;
};

// "127.0.0.1:7652", "[::1]:0", "localhost:80". InvalidArgument for anything else.
base::Result<HttpAddress> parse_http_address(const std::string& text);

}  // namespace sluice::frontend::http
