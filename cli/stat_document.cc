#include "cli/stat_document.h"

#include <utility>

#include "client/admin.h"

namespace sluice::cli {

base::Result<StatDocument> read_stat(client::Connection& connection, std::string_view queue) {
  client::Admin admin(connection);
  ASSIGN_OR_RETURN(std::string text, admin.stat(queue));
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::corruption("the broker's statistics are no JSON");
  return StatDocument{std::move(text), std::move(json)};
}

}  // namespace sluice::cli
