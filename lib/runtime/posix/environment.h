#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::runtime {

using Variables = std::vector<std::pair<std::string, std::string>>;

// NAME=VALUE of this process's environment for a program that it starts, with `own` in place of
// those of the same names. A value ends at its first NUL.
std::vector<std::string> environment_with(const Variables& own);

}  // namespace sluice::runtime
