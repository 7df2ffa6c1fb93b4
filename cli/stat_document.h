#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/connection.h"

namespace sluice::cli {

// The broker's statistics: its text as it came, and what it says. `queue` empty = all of them.
struct StatDocument {
  std::string text;
  nlohmann::json json;
};
base::Result<StatDocument> read_stat(client::Connection& connection, std::string_view queue);

}  // namespace sluice::cli
