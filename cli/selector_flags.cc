#include "cli/selector_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/duration.h"
#include "cli/message_flags.h"

namespace sluice::cli {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

base::Error bad_sequences(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {
    return base::invalid_argument(
        "--sequence takes sequences without a shard, and means those of every shard: \"" +
        std::string(text) + "\" names one; choose by --header, --reason or age as well");
  }
  return base::invalid_argument(
      "--sequence takes A or A-B, both at least 1, or several of them with commas between, not \"" +
      std::string(text) + "\"");
}

base::Result<base::SequenceRange> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return bad_sequences(text);
  return base::SequenceRange{base::Sequence(*first), base::Sequence(*last)};
}

// Ascending, with overlaps joined.
base::Result<std::vector<base::SequenceRange>> parse_sequences(std::string_view text) {
  std::vector<base::SequenceRange> ranges;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    ASSIGN_OR_RETURN(const base::SequenceRange range, parse_range(text.substr(0, comma)));
    ranges.push_back(range);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<base::SequenceRange> joined;
  for (const base::SequenceRange& range : ranges) {
    if (!joined.empty() && range.first <= joined.back().last) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

base::Result<base::WallTime> ago(std::string_view flag, const std::string& age,
                                 base::WallTime now) {
  if (age.empty()) return base::WallTime();
  auto parsed = base::parse_duration(age);
  if (!parsed) return parsed.error().with_prefix(flag);
  return now - parsed->count();
}

}  // namespace

void add_selector_flags(CLI::App& command, SelectorFlags& flags) {
  command.add_option("--reason", flags.reason, "Only those that died of this")
      ->check(
          CLI::IsMember({"Rejected", "AttemptsExceeded", "StallsExceeded", "Expired", "Overflow"}));
  command.add_option("--sequence", flags.sequences, "Only these sequences")->type_name("A-B,C");
  command.add_option("--header", flags.header, "Only those with this header")
      ->type_name("NAME=VALUE");
  command
      .add_option("--older-than", flags.older_than,
                  "Only those dead for longer; of waiting ones: accepted before that")
      ->type_name("1h");
  command
      .add_option("--newer-than", flags.newer_than,
                  "Only those dead for less long; of waiting ones: accepted since")
      ->type_name("1h");
  command.add_option("--error", flags.error, "Only those whose last error contains this")
      ->type_name("TEXT");
}

bool is_empty(const SelectorFlags& flags) {
  return flags.reason.empty() && flags.sequences.empty() && flags.header.empty() &&
         flags.older_than.empty() && flags.newer_than.empty() && flags.error.empty();
}

base::Result<client::Selector> selector_from(const SelectorFlags& flags, base::WallTime now) {
  client::Selector selector;
  if (!flags.reason.empty()) selector.reason = client::dead_reason_from(flags.reason);
  if (!flags.sequences.empty()) {
    ASSIGN_OR_RETURN(selector.sequences, parse_sequences(flags.sequences));
  }
  if (!flags.header.empty()) {
    ASSIGN_OR_RETURN(selector.header, split_header(flags.header));
  }
  ASSIGN_OR_RETURN(selector.before, ago("--older-than", flags.older_than, now));
  ASSIGN_OR_RETURN(selector.not_before, ago("--newer-than", flags.newer_than, now));
  selector.error = flags.error;
  return selector;
}

}  // namespace sluice::cli
