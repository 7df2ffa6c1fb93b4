#include "cli/message_text.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/json_string.h"
#include "cli/json_text.h"
#include "cli/terminal.h"

namespace sluice::cli {
namespace {

using Headers = decltype(base::MessageAttributes::headers);

// One that comes again stands where it came first, with all its values in their order.
void append_headers_json(std::string& out, const Headers& headers) {
  out += '{';
  std::string_view between;
  for (auto header = headers.begin(); header != headers.end(); ++header) {
    const auto is_same = [header](const auto& other) { return other.first == header->first; };
    if (std::any_of(headers.begin(), header, is_same)) continue;
    out += std::exchange(between, ",");
    base::append_json_string(out, header->first);
    out += ':';
    if (std::none_of(header + 1, headers.end(), is_same)) {
      base::append_json_string(out, header->second);
      continue;
    }
    out += '[';
    for (auto value = header; value != headers.end(); ++value) {
      if (!is_same(*value)) continue;
      if (value != header) out += ',';
      base::append_json_string(out, value->second);
    }
    out += ']';
  }
  out += '}';
}

}  // namespace

void append_message_json(std::string& out, const base::MessageAttributes& attributes,
                         std::string_view body) {
  if (attributes.deliver_at != base::WallTime()) {
    out += R"("deliverAtMs":)" + std::to_string(attributes.deliver_at.value()) + ',';
  }
  out += R"("key":)";
  base::append_json_string(out, attributes.key);
  out += R"(,"headers":)";
  append_headers_json(out, attributes.headers);
  if (is_utf8(body)) {
    out += R"(,"body":)";
    base::append_json_string(out, body);
  } else {
    out += R"(,"bodyBase64":")" + base::encode_base64(body) + '"';
  }
}

std::string body_preview(std::string_view body, std::size_t columns) {
  if (!is_utf8(body)) return "(" + std::to_string(body.size()) + " bytes, not text)";
  std::size_t characters = 0;
  std::size_t bytes = 0;
  while (bytes < body.size() && characters < columns) {
    ++bytes;
    while (bytes < body.size() && (static_cast<unsigned char>(body[bytes]) & 0xC0) == 0x80) ++bytes;
    ++characters;
  }
  std::string text = printable(body.substr(0, bytes));
  if (bytes < body.size()) text += "…";
  return text;
}

}  // namespace sluice::cli
