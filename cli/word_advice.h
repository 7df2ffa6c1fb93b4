#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace sluice::cli {

// The one of `known` that a slip makes of `word`; empty = none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

// After a parse that failed: what is wrong with the first word that nothing takes, and what was
// meant, perhaps. Empty where every word was taken.
std::string advice_on_words(const CLI::App& root);

}  // namespace sluice::cli
