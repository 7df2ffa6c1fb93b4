#include "base/log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/json_string.h"

namespace sluice::base {
namespace {

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> digits;
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), result.ptr);
}

void append_padded(std::string& out, std::int64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

void append_date(std::string& out, std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  append_padded(out, int{date.year()}, 4);
  out += '-';
  append_padded(out, unsigned{date.month()}, 2);
  out += '-';
  append_padded(out, unsigned{date.day()}, 2);
}

void append_time(std::string& out, const std::chrono::hh_mm_ss<Millis>& time) {
  append_padded(out, time.hours().count(), 2);
  out += ':';
  append_padded(out, time.minutes().count(), 2);
  out += ':';
  append_padded(out, time.seconds().count(), 2);
}

using WallPoint = std::chrono::sys_time<Millis>;

void append_timestamp(std::string& out, WallPoint at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::hh_mm_ss<Millis> time(at - day);
  append_date(out, day);
  out += 'T';
  append_time(out, time);
  out += '.';
  append_padded(out, time.subseconds().count(), 3);
  out += 'Z';
}

void append_value(std::string& out, const LogField::Value& value, bool quote_always) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    const bool plain = !text->empty() && std::all_of(text->begin(), text->end(), [](char c) {
      return c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '=';
    });
    if (plain && !quote_always) {
      out += *text;
    } else {
      append_json_string(out, *text);
    }
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::isfinite(*real)) {
      append_number(out, *real);
    } else {
      out += "null";  // JSON has no other word for it
    }
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    append_number(out, *whole);
  } else {
    append_number(out, std::get<std::uint64_t>(value));
  }
}

std::string json_line(LogLevel level, std::string_view event,
                      std::initializer_list<LogField> fields, const LogOptions& options) {
  std::string line = "{";
  if (options.clock) {
    line += "\"ts\":\"";
    append_timestamp(line, WallPoint(Millis(options.clock().value())));
    line += "\",";
  }
  line += "\"level\":\"";
  line += to_string(level);
  line += "\",\"event\":";
  append_json_string(line, event);
  for (const LogField& field : fields) {
    line += ',';
    append_json_string(line, field.key());
    line += ':';
    append_value(line, field.value(), true);
  }
  line += "}\n";
  return line;
}

std::string human_line(LogLevel level, std::string_view event,
                       std::initializer_list<LogField> fields, const LogOptions& options) {
  std::string line;
  if (options.clock) {
    const WallPoint at = WallPoint(Millis(options.clock().value())) + options.utc_offset;
    append_time(line,
                std::chrono::hh_mm_ss<Millis>(at - std::chrono::floor<std::chrono::days>(at)));
    line += ' ';
  }
  line += to_string(level);
  line.append(6 - to_string(level).size(), ' ');
  append_value(line, event, false);
  for (const LogField& field : fields) {
    line += ' ';
    append_value(line, field.key(), false);
    line += '=';
    append_value(line, field.value(), false);
  }
  line += '\n';
  return line;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text == to_string(level)) return level;
  }
  return invalid_argument("log level is debug, info, warn or error, not '" + std::string(text) +
                          "'");
}

Result<LogFormat> parse_log_format(std::string_view text, bool to_terminal) {
  if (text == "human" || (text == "auto" && to_terminal)) return LogFormat::kHuman;
  if (text == "json" || text == "auto") return LogFormat::kJson;
  return invalid_argument("log format is auto, human or json, not '" + std::string(text) + "'");
}

void Logger::configure(LogOptions options) {
  const std::lock_guard lock(mutex_);
  set_level(options.level);
  options_ = std::move(options);
}

void Logger::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  const std::lock_guard lock(mutex_);
  const std::string line = options_.format == LogFormat::kJson
                               ? json_line(level, event, fields, options_)
                               : human_line(level, event, fields, options_);
  if (options_.sink) {
    options_.sink(line);
  } else {
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
}

Logger& process_logger() {
  // Never destroyed: threads may log while the process ends.
  static Logger& logger = *new Logger();
  return logger;
}

}  // namespace sluice::base
