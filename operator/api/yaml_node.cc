#include "operator/api/yaml_node.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace sluice::api {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), base::is_digit);
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Digits with at most one point, and at most one exponent: 1.5, .5, 1., 1e3.
bool is_float(std::string_view text) {
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (!power.empty() && (power[0] == '+' || power[0] == '-')) power.remove_prefix(1);
    if (!all_digits(power)) return false;
    text = text.substr(0, exponent);
    if (all_digits(text)) return true;
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return false;
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = text.substr(point + 1);
  if (whole.empty() && fraction.empty()) return false;
  return (whole.empty() || all_digits(whole)) && (fraction.empty() || all_digits(fraction));
}

// Numbers of YAML 1.1 or Go that are none, or other ones, elsewhere: 0x1F, 0b1, 1_000.
bool is_other_number(std::string_view text) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b')) {
    return std::all_of(text.begin() + 2, text.end(), [](char c) {
      return base::is_digit(c) || c == '_' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
  }
  if (text.find('_') == std::string_view::npos || !base::is_digit(text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return base::is_digit(c) || c == '_' || c == '.'; });
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return value.kind == YamlKind::kNull ? nullptr : &value;
  }
  return nullptr;
}

YamlKind plain_scalar_kind(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kNulls = {"", "~", "null", "Null", "NULL"};
  static constexpr std::array<std::string_view, 6> kBools = {"true",  "True",  "TRUE",
                                                             "false", "False", "FALSE"};
  static constexpr std::array<std::string_view, 16> kOldBools = {
      "y",  "Y",  "yes", "Yes", "YES", "n",   "N",   "no",
      "No", "NO", "on",  "On",  "ON",  "off", "Off", "OFF"};
  static constexpr std::array<std::string_view, 6> kNoNumbers = {".inf", ".Inf", ".INF",
                                                                 ".nan", ".NaN", ".NAN"};
  if (is_one_of(text, kNulls)) return YamlKind::kNull;
  if (is_one_of(text, kBools)) return YamlKind::kBool;
  if (is_one_of(text, kOldBools)) return YamlKind::kAmbiguous;
  std::string_view number = text;
  if (number[0] == '-' || number[0] == '+') number.remove_prefix(1);
  if (number.empty()) return YamlKind::kString;
  if (all_digits(number)) {
    return number.size() > 1 && number[0] == '0' ? YamlKind::kAmbiguous : YamlKind::kInt;
  }
  if (is_float(number) || is_one_of(number, kNoNumbers)) return YamlKind::kFloat;
  return is_other_number(number) ? YamlKind::kAmbiguous : YamlKind::kString;
}

std::string_view describe(YamlKind kind) {
  switch (kind) {
    case YamlKind::kNull:
      return "nothing";
    case YamlKind::kString:
      return "a string";
    case YamlKind::kBool:
      return "a boolean";
    case YamlKind::kInt:
      return "a whole number";
    case YamlKind::kFloat:
      return "a number with a fraction";
    case YamlKind::kAmbiguous:
      return "ambiguous";
    case YamlKind::kMap:
      return "a map";
    case YamlKind::kList:
      return "a list";
  }
  return "unknown";
}

}  // namespace sluice::api
