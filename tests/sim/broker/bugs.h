#pragma once

#include <string_view>
#include <vector>

namespace sluice::sim {

// A bug that --bug plants, to see that the simulation finds it.
struct Bug {
  std::string_view name;
  std::string_view what;
};
const std::vector<Bug>& bugs();

}  // namespace sluice::sim
