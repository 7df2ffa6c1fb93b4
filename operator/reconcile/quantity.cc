#include "operator/reconcile/quantity.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace sluice::reconcile {
namespace {

constexpr std::size_t kDigitsMax = 18;

// odd * 2^twos * 5^fives, where `odd` has neither factor: one form for each amount.
struct Amount {
  std::uint64_t odd = 0;
  int twos = 0;
  int fives = 0;
  friend bool operator==(const Amount&, const Amount&) = default;
};

struct Unit {
  int tens = 0;
  int twos = 0;
};

std::optional<Unit> unit_of(std::string_view suffix) {
  constexpr std::pair<std::string_view, Unit> kUnits[] = {
      {"", {0, 0}},    {"n", {-9, 0}},  {"u", {-6, 0}},  {"m", {-3, 0}},
      {"k", {3, 0}},   {"M", {6, 0}},   {"G", {9, 0}},   {"T", {12, 0}},
      {"P", {15, 0}},  {"E", {18, 0}},  {"Ki", {0, 10}}, {"Mi", {0, 20}},
      {"Gi", {0, 30}}, {"Ti", {0, 40}}, {"Pi", {0, 50}}, {"Ei", {0, 60}}};
  for (const auto& [name, unit] : kUnits) {
    if (name == suffix) return unit;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  Unit unit;
  const auto [end, error] =
      std::from_chars(suffix.data(), suffix.data() + suffix.size(), unit.tens);
  if (error != std::errc() || end != suffix.data() + suffix.size()) return std::nullopt;
  return unit;
}

std::optional<Amount> parse(std::string_view text) {
  std::string digits;
  int tens = 0;
  bool fraction = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !fraction) {
      fraction = true;
    } else if (text[at] >= '0' && text[at] <= '9') {
      digits += text[at];
      if (fraction) --tens;
    } else {
      break;
    }
  }
  const std::optional<Unit> unit = unit_of(text.substr(at));
  if (!unit || digits.empty() || digits.size() > kDigitsMax) return std::nullopt;
  Amount amount;
  std::from_chars(digits.data(), digits.data() + digits.size(), amount.odd);
  if (amount.odd == 0) return Amount{};
  amount.twos = tens + unit->tens + unit->twos;
  amount.fives = tens + unit->tens;
  for (; amount.odd % 2 == 0; amount.odd /= 2) ++amount.twos;
  for (; amount.odd % 5 == 0; amount.odd /= 5) ++amount.fives;
  return amount;
}

}  // namespace

bool same_quantity(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const std::optional<Amount> left = parse(a);
  return left.has_value() && left == parse(b);
}

std::optional<std::uint64_t> quantity_bytes(std::string_view text) {
  const std::optional<Amount> amount = parse(text);
  if (!amount) return std::nullopt;
  const long double value = std::ceil(static_cast<long double>(amount->odd) *
                                      std::pow(2.0L, static_cast<long double>(amount->twos)) *
                                      std::pow(5.0L, static_cast<long double>(amount->fives)));
  if (value > static_cast<long double>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(value);
}

}  // namespace sluice::reconcile
