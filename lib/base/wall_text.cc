#include "base/wall_text.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace sluice::base {

std::string format_wall(WallTime time) {
  const std::time_t seconds = time.value() / 1'000;
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  const auto millis = static_cast<int>(time.value() % 1'000);
  const int rest = std::snprintf(text.data() + length, text.size() - length, ".%03dZ", millis);
  return {text.data(), length + static_cast<std::size_t>(rest)};
}

Result<WallTime> parse_wall(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  const auto wrong = [&] {
    return invalid_argument("\"" + std::string(text) +
                            "\" is no time; write 2026-01-31T12:00:00Z (UTC)");
  };
  if (text.size() <= kForm.size() || text.back() != 'Z') return wrong();
  std::string_view fraction = text.substr(kForm.size(), text.size() - kForm.size() - 1);
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return wrong();
  }
  const auto number = [](std::string_view digits) {
    int value = 0;
    for (const char digit : digits) value = value * 10 + (digit - '0');
    return value;
  };
  std::int64_t ms = 0;
  if (!fraction.empty()) {
    if (fraction.front() != '.' || fraction.size() < 2 || fraction.size() > 4) return wrong();
    fraction.remove_prefix(1);
    for (const char c : fraction) {
      if (c < '0' || c > '9') return wrong();
    }
    ms = number(fraction);
    for (std::size_t i = fraction.size(); i < 3; ++i) ms *= 10;
  }
  const std::chrono::year_month_day date{
      std::chrono::year(number(text.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(number(text.substr(5, 2)))),
      std::chrono::day(static_cast<unsigned>(number(text.substr(8, 2))))};
  const int hour = number(text.substr(11, 2));
  const int minute = number(text.substr(14, 2));
  const int second = number(text.substr(17, 2));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return wrong();
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  const std::chrono::milliseconds time =
      days + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  return WallTime(time.count() + ms);
}

}  // namespace sluice::base
