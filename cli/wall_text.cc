#include "cli/wall_text.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace sluice::cli {

std::string format_wall(base::WallTime time) {
  const std::time_t seconds = time.value() / 1'000;
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  const auto millis = static_cast<int>(time.value() % 1'000);
  const int rest = std::snprintf(text.data() + length, text.size() - length, ".%03dZ", millis);
  return {text.data(), length + static_cast<std::size_t>(rest)};
}

}  // namespace sluice::cli
