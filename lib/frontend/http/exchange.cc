#include "frontend/http/exchange.h"

#include "base/json_string.h"

namespace sluice::frontend::http {

Response text_response(int status, std::string_view content_type, std::string body) {
  Response response;
  response.status = status;
  response.content_type = content_type;
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

Response error_response(int status, std::string_view what,
                        const std::vector<std::string>& allowed) {
  std::string json = "{\"error\":";
  base::append_json_string(json, what);
  if (!allowed.empty()) {
    json += ",\"allowed\":[";
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (i > 0) json += ',';
      base::append_json_string(json, allowed[i]);
    }
    json += ']';
  }
  json += "}\n";
  return text_response(status, kJsonType, std::move(json));
}

}  // namespace sluice::frontend::http
