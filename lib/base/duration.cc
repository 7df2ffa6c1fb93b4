#include "base/duration.h"

#include <array>
#include <charconv>
#include <limits>
#include <numeric>

#include "base/ascii.h"
#include "base/check.h"

namespace sluice::base {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t value;
};

// Larger first, as they are written.
constexpr std::array kTimeUnits = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                   Unit{"s", 1'000}, Unit{"ms", 1}};

constexpr std::array kBinaryUnits = {Unit{"Ei", 1ULL << 60}, Unit{"Pi", 1ULL << 50},
                                     Unit{"Ti", 1ULL << 40}, Unit{"Gi", 1ULL << 30},
                                     Unit{"Mi", 1ULL << 20}, Unit{"Ki", 1ULL << 10}};
constexpr std::array kDecimalUnits = {Unit{"E", 1'000'000'000'000'000'000},
                                      Unit{"P", 1'000'000'000'000'000},
                                      Unit{"T", 1'000'000'000'000},
                                      Unit{"G", 1'000'000'000},
                                      Unit{"M", 1'000'000},
                                      Unit{"k", 1'000}};

constexpr std::size_t kFractionDigitsMax = 3;

std::string_view take_digits(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

// False where the digits are none or too many for 64 bits.
bool to_number(std::string_view digits, std::uint64_t& value) {
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

Error bad(std::string_view what, std::string_view text, std::string_view why) {
  return invalid_argument("'" + std::string(text) + "' is no " + std::string(what) + ": " +
                          std::string(why));
}

// The unit's value; 1 for no unit, 0 for an unknown one.
std::uint64_t unit_value(std::string_view name) {
  if (name.empty()) return 1;
  for (const auto& units : {kBinaryUnits, kDecimalUnits}) {
    for (const Unit& unit : units) {
      if (unit.name == name) return unit.value;
    }
  }
  return 0;
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  constexpr std::string_view kWhat = "duration";
  constexpr auto kMax = static_cast<std::uint64_t>(kDurationMax.count());
  if (text == "0") return Millis(0);
  if (text.empty()) return bad(kWhat, text, "write for instance 30s, 1h30m or 250ms");
  std::string_view rest = text;
  std::size_t unit_index = 0;
  std::uint64_t total = 0;
  while (!rest.empty()) {
    const std::string_view digits = take_digits(rest);
    if (digits.empty()) {
      return bad(kWhat, text,
                 rest.front() == '.'   ? "use a smaller unit in place of a fraction, as in 1h30m"
                 : rest.front() == '-' ? "it cannot be negative"
                                       : "a whole number must stand before each unit");
    }
    if (!rest.empty() && rest.front() == '.') {
      return bad(kWhat, text, "use a smaller unit in place of a fraction, as in 1h30m");
    }
    std::size_t length = 0;
    while (length < rest.size() && !is_digit(rest[length]) && rest[length] != '-') ++length;
    const std::string_view name = rest.substr(0, length);
    rest.remove_prefix(length);
    if (name.empty()) return bad(kWhat, text, "a unit is missing; the units are d, h, m, s, ms");
    std::size_t index = 0;
    while (index < kTimeUnits.size() && kTimeUnits[index].name != name) ++index;
    if (index == kTimeUnits.size()) return bad(kWhat, text, "the units are d, h, m, s, ms");
    if (index < unit_index) return bad(kWhat, text, "each unit once, the larger first");
    unit_index = index + 1;
    std::uint64_t number = 0;
    if (!to_number(digits, number) || number > (kMax - total) / kTimeUnits[index].value) {
      return bad(kWhat, text, "the longest is 36500d");
    }
    total += number * kTimeUnits[index].value;
  }
  return Millis(total);
}

std::string format_duration(Millis duration) {
  CHECK(duration >= Millis(0) && duration <= kDurationMax);
  auto rest = static_cast<std::uint64_t>(duration.count());
  if (rest == 0) return "0s";
  std::string text;
  for (const Unit& unit : kTimeUnits) {
    if (rest >= unit.value) {
      text += std::to_string(rest / unit.value);
      text += unit.name;
      rest %= unit.value;
    }
  }
  return text;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view kWhat = "number of bytes";
  constexpr std::string_view kExample = "write for instance 1024, 6Gi or 500M";
  constexpr std::string_view kTooMany = "it does not fit 64 bits";
  std::string_view rest = text;
  const std::string_view whole_digits = take_digits(rest);
  if (whole_digits.empty()) return bad(kWhat, text, kExample);
  std::string_view fraction_digits;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    fraction_digits = take_digits(rest);
    if (fraction_digits.empty()) return bad(kWhat, text, kExample);
    if (fraction_digits.size() > kFractionDigitsMax) {
      return bad(kWhat, text, "a fraction has at most three digits");
    }
  }
  const std::uint64_t unit = unit_value(rest);
  if (unit == 0) {
    return bad(kWhat, text, "the units are k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei");
  }
  std::uint64_t whole = 0;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (!to_number(whole_digits, whole) || whole > kMax / unit) return bad(kWhat, text, kTooMany);
  std::uint64_t bytes = whole * unit;
  if (!fraction_digits.empty()) {
    std::uint64_t part = 0;
    to_number(fraction_digits, part);
    std::uint64_t divisor = 1;
    for (std::size_t i = 0; i < fraction_digits.size(); ++i) divisor *= 10;
    const std::uint64_t common = std::gcd(part, divisor);
    part /= common;
    divisor /= common;
    if (unit % divisor != 0) return bad(kWhat, text, "it is not a whole number of bytes");
    const std::uint64_t more = unit / divisor * part;
    if (more > kMax - bytes) return bad(kWhat, text, kTooMany);
    bytes += more;
  }
  return bytes;
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes != 0) {
    for (const auto& units : {kBinaryUnits, kDecimalUnits}) {
      for (const Unit& unit : units) {
        if (bytes % unit.value == 0) {
          return std::to_string(bytes / unit.value) + std::string(unit.name);
        }
      }
    }
  }
  return std::to_string(bytes);
}

}  // namespace sluice::base
