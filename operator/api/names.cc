#include "operator/api/names.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace sluice::api {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || base::is_digit(c); }

bool is_label_of(std::string_view name, std::size_t bytes_max) {
  if (name.empty() || name.size() > bytes_max) return false;
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-'; });
}

}  // namespace

bool is_label(std::string_view name) { return is_label_of(name, kLabelBytesMax); }

bool is_subdomain(std::string_view name) {
  if (name.size() > kSubdomainBytesMax) return false;
  for (;;) {
    const std::size_t point = name.find('.');
    if (!is_label_of(name.substr(0, point), kSubdomainBytesMax)) return false;
    if (point == std::string_view::npos) return true;
    name.remove_prefix(point + 1);
  }
}

bool is_label_value(std::string_view value) {
  if (value.empty()) return true;
  const auto is_end = [](char c) { return is_alphanumeric(c) || (c >= 'A' && c <= 'Z'); };
  if (value.size() > kLabelBytesMax || !is_end(value.front()) || !is_end(value.back())) {
    return false;
  }
  return std::all_of(value.begin(), value.end(),
                     [&](char c) { return is_end(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_qualified_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return !name.empty() && is_label_value(name);
  const std::string_view last = name.substr(slash + 1);
  return is_subdomain(name.substr(0, slash)) && !last.empty() && is_label_value(last);
}

bool is_resource_quantity(std::string_view text) {
  static constexpr std::array<std::string_view, 14> kUnits = {
      "", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  // Enough for any machine, and for thousandths.
  constexpr std::size_t kWholeDigitsMax = 15;
  constexpr std::size_t kFractionDigitsMax = 3;
  const auto take_digits = [&text] {
    const auto end = std::find_if_not(text.begin(), text.end(), base::is_digit);
    const auto count = static_cast<std::size_t>(end - text.begin());
    text.remove_prefix(count);
    return count;
  };
  const std::size_t whole = take_digits();
  if (whole == 0 || whole > kWholeDigitsMax) return false;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    const std::size_t fraction = take_digits();
    if (fraction == 0 || fraction > kFractionDigitsMax) return false;
  }
  return std::find(kUnits.begin(), kUnits.end(), text) != kUnits.end();
}

}  // namespace sluice::api
