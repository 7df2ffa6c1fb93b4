#pragma once

#include <string_view>
#include <vector>

namespace sluice::sim {

// A bug that --bug plants, to see that the simulation finds it.
struct Bug {
  std::string_view name;
  std::string_view what;
  std::string_view found_by;  // words of what is said where it is found, and not something else
};
const std::vector<Bug>& bugs();

}  // namespace sluice::sim
