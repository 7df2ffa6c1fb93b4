#include "cli/selector_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <optional>
#include <utility>

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

base::Result<base::SequenceRange> parse_sequences(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) {
    return base::invalid_argument("--sequence takes A or A-B, both at least 1, not \"" +
                                  std::string(text) + "\"");
  }
  return base::SequenceRange{base::Sequence(*first), base::Sequence(*last)};
}

}  // namespace

void add_selector_flags(CLI::App& command, SelectorFlags& flags) {
  command.add_option("--reason", flags.reason, "Only those that died of this")
      ->check(
          CLI::IsMember({"Rejected", "AttemptsExceeded", "StallsExceeded", "Expired", "Overflow"}));
  command.add_option("--sequence", flags.sequences, "Only these sequences")->type_name("A-B");
  command.add_option("--header", flags.header, "Only those with this header")
      ->type_name("NAME=VALUE");
  command.add_option("--older-than", flags.older_than, "Only those dead for longer")
      ->type_name("1h");
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
  if (!flags.older_than.empty()) {
    auto age = base::parse_duration(flags.older_than);
    if (!age) return age.error().with_prefix("--older-than");
    selector.dead_before = now - age->count();
  }
  return selector;
}

}  // namespace sluice::cli
