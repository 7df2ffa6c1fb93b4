#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::api {

// The one of `words` that `text` was probably meant to be: equal but for case, or at most two
// letters added, lost, changed or swapped (one in a word of up to four). None where that is a
// guess.
std::optional<std::string> nearest(std::string_view text, const std::vector<std::string>& words);

}  // namespace sluice::api
