#include "tests/sim/operator/scenario.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>

namespace sluice::sim {
namespace {

constexpr base::Millis kAfterTheLast{20'000};

// How many words follow each of them.
const std::map<std::string, std::size_t>& verbs() {
  static const std::map<std::string, std::size_t> kVerbs = {
      {"create", 2},  {"delete", 1},  {"edit", 1},  {"publish", 3}, {"finalizer", 1}, {"kill", 2},
      {"stop", 1},    {"pause", 2},   {"cut", 2},   {"behind", 2},  {"clock", 2},     {"lease", 0},
      {"silence", 2}, {"restart", 1}, {"close", 1}, {"gone", 1},
  };
  return kVerbs;
}

std::optional<base::Millis> seconds_of(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return base::Millis(static_cast<std::int64_t>(seconds * 1'000));
}

base::Error wrong(std::size_t line, const std::string& what) {
  return base::invalid_argument("line " + std::to_string(line) + ": " + what);
}

}  // namespace

base::Result<Scenario> parse_scenario(const std::string& text) {
  Scenario scenario;
  std::istringstream lines(text);
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::istringstream stream(line.substr(0, line.find('#')));
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.empty()) continue;
    if (words[0] == "queue") {
      const auto shards = words.size() == 4 ? seconds_of(words[3]) : std::nullopt;
      if (!shards || shards->count() < 1'000) return wrong(number, "queue NAME BROKER SHARDS");
      scenario.slots.push_back({"shop", words[1], words[2],
                                static_cast<std::size_t>(shards->count() / 1'000), "", 0, 1});
      continue;
    }
    if (words[0] == "operators" && words.size() == 2) {
      scenario.operators = words[1] == "2" ? 2 : 1;
      continue;
    }
    const auto at = seconds_of(words[0]);
    if (!at || words.size() < 2) return wrong(number, "a time in seconds and what happens");
    const auto verb = verbs().find(words[1]);
    if (verb == verbs().end()) return wrong(number, "what is '" + words[1] + "'?");
    if (words.size() != verb->second + 2) {
      return wrong(number, words[1] + " takes " + std::to_string(verb->second) + " words");
    }
    scenario.steps.push_back({*at, {words.begin() + 1, words.end()}});
    scenario.end = std::max(scenario.end, *at + kAfterTheLast);
  }
  if (scenario.slots.empty()) return base::invalid_argument("no queue");
  return scenario;
}

}  // namespace sluice::sim
