#include "cli/message_text.h"

#include <algorithm>
#include <string>

#include "base/base64.h"
#include "base/json_string.h"
#include "cli/json_text.h"
#include "cli/terminal.h"

namespace sluice::cli {

void append_message_json(std::string& out, const base::MessageAttributes& attributes,
                         std::string_view body) {
  if (attributes.deliver_at != base::WallTime()) {
    out += R"("deliverAtMs":)" + std::to_string(attributes.deliver_at.value()) + ',';
  }
  out += R"("key":)";
  base::append_json_string(out, attributes.key);
  out += R"(,"headers":{)";
  const auto& headers = attributes.headers;
  bool first = true;
  for (auto header = headers.begin(); header != headers.end(); ++header) {
    const bool again = std::any_of(header + 1, headers.end(), [header](const auto& later) {
      return later.first == header->first;
    });
    if (again) continue;
    if (!first) out += ',';
    first = false;
    base::append_json_string(out, header->first);
    out += ':';
    base::append_json_string(out, header->second);
  }
  if (is_utf8(body)) {
    out += R"(},"body":)";
    base::append_json_string(out, body);
  } else {
    out += R"(},"bodyBase64":")" + base::encode_base64(body) + '"';
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
