#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/shard_brokers.h"
#include "client/connection.h"

namespace sluice::cli {

// The broker's statistics: its text as it came, and what it says. `queue` empty = all of them.
struct StatDocument {
  std::string text;
  nlohmann::json json;
  std::vector<MissingShard> missing;  // it is without these
};
base::Result<StatDocument> read_stat(client::Connection& connection, std::string_view queue);

}  // namespace sluice::cli
