#include "cli/format.h"

#include <array>
#include <cstdio>

namespace sluice::cli {
namespace {

template <typename... Args>
std::string print(const char* form, Args... args) {
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), form, args...);
  return {text.data(), static_cast<std::size_t>(length)};
}

// Three digits that count: 1.23, 12.3, 123.
std::string three_digits(double number) {
  if (number < 9.995) return print("%.2f", number);
  if (number < 99.95) return print("%.1f", number);
  return print("%.0f", number);
}

}  // namespace

std::string format_count(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string format_rate(double per_second) {
  if (per_second < 999.5) return print("%.0f", per_second);
  if (per_second < 999'500) return three_digits(per_second / 1e3) + "k";
  return three_digits(per_second / 1e6) + "M";
}

std::string format_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return print("%d B", static_cast<int>(bytes));
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (size >= 1023.95 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return print("%.1f ", size) + kUnits[unit];
}

std::string format_age(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds < 0 ? 0 : seconds);
  const auto part = [&](std::int64_t unit, std::int64_t of) {
    return static_cast<int>(whole / unit % of);
  };
  if (whole < 60) return print("%ds", static_cast<int>(whole));
  if (whole < 3'600) return print("%dm%02ds", part(60, 60), part(1, 60));
  if (whole < 86'400) return print("%dh%02dm", part(3'600, 24), part(60, 60));
  return print("%dd%02dh", part(86'400, 1'000'000), part(3'600, 24));
}

std::string format_latency(double microseconds) {
  if (microseconds < 999.5) return print("%.0f µs", microseconds);
  if (microseconds < 999'500) return three_digits(microseconds / 1e3) + " ms";
  return three_digits(microseconds / 1e6) + " s";
}

}  // namespace sluice::cli
