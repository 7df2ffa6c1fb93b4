#include "cli/selector_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <limits>
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
  return base::invalid_argument(
      "--sequence takes A or A-B, both at least 1, or several of them with commas between, each "
      "with its shard before it or none (1:17,1:20-25), not \"" +
      std::string(text) + "\"");
}

// What --sequence names.
struct Sequences {
  std::optional<std::uint16_t> shard;
  std::vector<base::SequenceRange> ranges;
};

base::Status add_range(std::string_view text, Sequences& all) {
  std::optional<std::uint16_t> shard;
  std::string_view range = text;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    const auto number = parse_number(text.substr(0, colon));
    if (!number || *number > std::numeric_limits<std::uint16_t>::max()) return bad_sequences(text);
    shard = static_cast<std::uint16_t>(*number);
    range.remove_prefix(colon + 1);
  }
  if (!all.ranges.empty() && all.shard != shard) {
    return base::invalid_argument(
        shard && all.shard
            ? "--sequence names messages of several shards: run the command once for each shard"
            : "--sequence names a shard for some messages, and none for others");
  }
  all.shard = shard;
  const std::size_t dash = range.find('-');
  const auto first = parse_number(range.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return bad_sequences(text);
  all.ranges.push_back({base::Sequence(*first), base::Sequence(*last)});
  return {};
}

// The ranges ascending, with overlaps joined.
base::Result<Sequences> parse_sequences(std::string_view text) {
  Sequences all;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    RETURN_IF_ERROR(add_range(text.substr(0, comma), all));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  std::sort(all.ranges.begin(), all.ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<base::SequenceRange> joined;
  for (const base::SequenceRange& range : all.ranges) {
    if (!joined.empty() && range.first <= joined.back().last) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  all.ranges = std::move(joined);
  return all;
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
  command.add_option("--shard", flags.shard, "Only those of this shard (default: of all)");
  command
      .add_option("--sequence", flags.sequences,
                  "Only these sequences: of every shard, or of the one that stands before them")
      ->type_name("[SHARD:]A-B,...");
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
  return flags.reason.empty() && !flags.shard && flags.sequences.empty() && flags.header.empty() &&
         flags.older_than.empty() && flags.newer_than.empty() && flags.error.empty();
}

base::Result<client::Selector> selector_from(const SelectorFlags& flags, base::WallTime now) {
  client::Selector selector;
  if (!flags.reason.empty()) selector.reason = client::dead_reason_from(flags.reason);
  std::optional<std::uint16_t> shard = flags.shard;
  if (!flags.sequences.empty()) {
    ASSIGN_OR_RETURN(Sequences named, parse_sequences(flags.sequences));
    if (named.shard && shard && *shard != *named.shard) {
      return base::invalid_argument("--sequence names messages of shard " +
                                    std::to_string(*named.shard) + ", and --shard is " +
                                    std::to_string(*shard));
    }
    if (named.shard) shard = named.shard;
    selector.sequences = std::move(named.ranges);
  }
  if (shard) selector.shard = base::ShardIndex(*shard);
  if (!flags.header.empty()) {
    ASSIGN_OR_RETURN(selector.header, split_header(flags.header));
  }
  ASSIGN_OR_RETURN(selector.before, ago("--older-than", flags.older_than, now));
  ASSIGN_OR_RETURN(selector.not_before, ago("--newer-than", flags.newer_than, now));
  selector.error = flags.error;
  return selector;
}

}  // namespace sluice::cli
