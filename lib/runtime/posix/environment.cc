#include "runtime/posix/environment.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace sluice::runtime {

std::vector<std::string> environment_with(const Variables& own) {
  std::vector<std::string> all;
  for (const auto& [name, value] : own) {
    std::string& variable = all.emplace_back(name);
    variable.append("=").append(value, 0, value.find('\0'));
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('='));
    const bool is_replaced =
        std::any_of(own.begin(), own.end(), [&](const auto& one) { return one.first == name; });
    if (!is_replaced) all.emplace_back(text);
  }
  return all;
}

}  // namespace sluice::runtime
