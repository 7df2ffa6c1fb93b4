#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/result.h"
#include "base/time.h"

// Structured logging: an event's name and its fields, never prose. One event is one line:
//   {"ts":"2026-01-02T12:00:01.000Z","level":"info","event":"log_recovered","segments":3}
//   12:00:01 info  log_recovered segments=3
namespace sluice::base {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

std::string_view to_string(LogLevel level);
Result<LogLevel> parse_log_level(std::string_view text);

enum class LogFormat : std::uint8_t {
  kJson,   // for machines
  kHuman,  // for a terminal
};
// "json", "human", or "auto": as fits where the log goes to.
Result<LogFormat> parse_log_format(std::string_view text, bool to_terminal);

// One key and its value. Borrows text; lives as long as the call it is an argument of.
class LogField {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const std::string& value)
      : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  template <std::signed_integral T>
  LogField(std::string_view key, T value) : key_(key), value_(std::int64_t{value}) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view key, T value)
      : key_(key), value_(std::uint64_t{value}) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string_view key_;
  Value value_;
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  // Gives the time of each event; none = events without time. Called from any thread.
  std::function<WallTime()> clock;
  // Added to the time of the human format; JSON has UTC.
  std::chrono::minutes utc_offset{0};
  // Takes one line with its newline, one at a time; none = standard error.
  std::function<void(std::string_view line)> sink;
};

// Writes events to one place. Thread-safe; an event below the level costs one load.
class Logger {
 public:
  Logger() = default;
  explicit Logger(LogOptions options) { configure(std::move(options)); }
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void configure(LogOptions options);
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  bool enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }

  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

 private:
  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::mutex mutex_;    // guards options_ and the order of lines
  LogOptions options_;  // its level is unused: level_ is read without the lock
};

// The logger of the process; `main` configures it first.
Logger& process_logger();

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
  process_logger().write(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  process_logger().write(LogLevel::kInfo, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  process_logger().write(LogLevel::kWarn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  process_logger().write(LogLevel::kError, event, fields);
}

}  // namespace sluice::base
