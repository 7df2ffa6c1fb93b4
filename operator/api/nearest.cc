#include "operator/api/nearest.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace sluice::api {
namespace {

constexpr std::size_t kWordBytesMax = 64;

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Edit distance where swapping two neighbours is one step (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> table(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) table[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) table[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
      }
    }
  }
  return table[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view text, const std::vector<std::string>& words) {
  if (text.empty() || text.size() > kWordBytesMax) return std::nullopt;
  constexpr std::size_t kShortWord = 4;
  const std::size_t allowed = text.size() <= kShortWord ? 1 : 2;
  const std::string wanted = lower_case(text);
  const std::string* best = nullptr;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const std::string& word : words) {
    const std::size_t steps = distance(wanted, lower_case(word));
    if (steps <= allowed && steps < best_distance) {
      best = &word;
      best_distance = steps;
    }
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

}  // namespace sluice::api
