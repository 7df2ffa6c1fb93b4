#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "frontend/http/exchange.h"

namespace sluice::frontend::http {

// What the rules look at of a request whose headers were read. Views into it.
struct RequestHead {
  unsigned version = 11;  // 10 or 11
  std::string_view target;
  std::size_t host_count = 0;
  std::size_t content_length_count = 0;
  bool has_transfer_encoding = false;
  bool is_chunked = false;  // the parser will read it so
  std::string_view expect;
};

// Why the request is refused, although it could be parsed: two readers could understand it
// differently, or it asks for what is not here. The connection cannot be used after it.
std::optional<Response> refuse(const RequestHead& head);

// The peer sends its body only after a "100 Continue".
bool wants_continue(const RequestHead& head);

}  // namespace sluice::frontend::http
