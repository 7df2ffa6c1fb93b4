#include "cli/corrupt_range.h"

#include <nlohmann/json.hpp>

namespace sluice::cli {

nlohmann::ordered_json corrupt_json(const std::vector<storage::CorruptRange>& ranges) {
  auto json = nlohmann::ordered_json::array();
  for (const storage::CorruptRange& one : ranges) {
    json.push_back({{"file", one.file},
                    {"begin", one.begin.value()},
                    {"end", one.end.value()},
                    {"reason", one.reason}});
  }
  return json;
}

std::string corrupt_text(const storage::CorruptRange& range) {
  return range.file + " " + std::to_string(range.begin.value()) + "-" +
         std::to_string(range.end.value()) + ": " + range.reason;
}

}  // namespace sluice::cli
