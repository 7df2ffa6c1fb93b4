#include "cli/word_advice.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>
#include <utility>

namespace sluice::cli {
namespace {

// How many letters have to be put in, left out, replaced, or swapped with the next one.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> next(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      next[j] = std::min({replaced, row[j] + 1, next[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before = std::exchange(row, std::move(next));
  }
  return row.back();
}

// The command that was reached.
const CLI::App& reached(const CLI::App& root) {
  const CLI::App* app = &root;
  while (true) {
    const auto inner = app->get_subcommands();
    const auto named = std::find_if(inner.begin(), inner.end(), [](const CLI::App* command) {
      return !command->get_name().empty();
    });
    if (named == inner.end()) return *app;
    app = *named;
  }
}

// "queue list".
std::string words_to(const CLI::App& root, const CLI::App& command) {
  std::string words = command.get_name();
  for (const CLI::App* outer = command.get_parent(); outer != &root; outer = outer->get_parent()) {
    words.insert(0, outer->get_name() + " ");
  }
  return words;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty() && !command->get_group().empty()) {
      names.push_back(command->get_name());
    }
  }
  return names;
}

void add_flags_of(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (group->get_name().empty()) add_flags_of(*group, names);
  }
}

std::string or_this(const std::string& meant) {
  return meant.empty() ? "" : "; is " + meant + " meant?";
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t least = 1 + word.size() / 4;
  for (const std::string& one : known) {
    const std::size_t away = distance(word, one);
    if (away > least || (away == least && !nearest.empty())) continue;
    least = away;
    nearest = one;
  }
  return nearest;
}

std::string advice_on_words(const CLI::App& root) {
  std::vector<std::string> words = root.remaining(true);
  std::erase(words, "--");
  if (words.empty()) return "";
  const std::string& word = words.front();
  const CLI::App& app = reached(root);
  const std::string program = &app == &root ? "" : words_to(root, app) + ": ";
  if (word.starts_with("-")) {
    std::vector<std::string> flags;
    add_flags_of(app, flags);
    if (&app != &root) add_flags_of(root, flags);
    const std::string name = word.substr(0, word.find('='));
    return program + "there is no flag " + name + or_this(nearest_word(name, flags));
  }
  if (app.get_require_subcommand_min() > 0) {
    return program + "there is no command \"" + word + "\"" +
           or_this(nearest_word(word, commands_of(app)));
  }
  return program + "one word too many: \"" + word +
         "\" (a value with spaces needs quotes around it)";
}

}  // namespace sluice::cli
