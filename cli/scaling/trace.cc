#include "cli/scaling/trace.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/wall_text.h"

namespace sluice::cli::scaling {
namespace {

using autoscale::Coverage;

constexpr std::string_view kColumns =
    "time, ready, inFlight, dueDelayed, oldestAgeSeconds, settledTotal, paused, known, published";
// Seconds beyond which a number would not fit the clock.
constexpr double kSecondsMax = 1e12;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Field -> value as text, of one line.
using Fields = std::map<std::string, std::string, std::less<>>;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

base::Error wrong(std::string_view field, std::string_view value, std::string_view allowed) {
  return base::invalid_argument(std::string(field) + ": \"" + std::string(value) +
                                "\" is wrong; allowed is " + std::string(allowed));
}

base::Result<std::uint64_t> whole_number(std::string_view field, std::string_view value) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    return wrong(field, value, "a whole number from 0");
  }
  return number;
}

base::Result<double> seconds(std::string_view field, std::string_view value) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0) ||
      number > kSecondsMax) {
    return wrong(field, value, "seconds from 0, such as 12.5");
  }
  return number;
}

base::Result<bool> truth(std::string_view field, std::string_view value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return wrong(field, value, "true or false");
}

base::Result<Coverage> coverage(std::string_view value) {
  if (value == "all") return Coverage::kAll;
  if (value == "some") return Coverage::kSome;
  if (value == "none") return Coverage::kNone;
  return wrong("known", value, "all, some or none");
}

// Seconds of any clock, or a UTC time.
base::Result<base::Millis> moment(std::string_view value) {
  if (value.find('T') != std::string_view::npos) {
    const auto wall = base::parse_wall(value);
    if (!wall) return wrong("time", value, "seconds, or UTC such as 2026-01-31T12:00:00Z");
    return base::Millis(wall->value());
  }
  ASSIGN_OR_RETURN(const double number, seconds("time", value));
  return base::Millis(std::llround(number * 1'000));
}

base::Status set(std::string_view field, std::string_view value, TraceLine& line) {
  autoscale::Backlog& backlog = line.backlog;
  if (field == "time") {
    ASSIGN_OR_RETURN(line.time, moment(value));
  } else if (field == "ready") {
    ASSIGN_OR_RETURN(backlog.ready, whole_number(field, value));
  } else if (field == "inFlight") {
    ASSIGN_OR_RETURN(backlog.in_flight, whole_number(field, value));
  } else if (field == "dueDelayed") {
    ASSIGN_OR_RETURN(backlog.due_delayed, whole_number(field, value));
  } else if (field == "settledTotal") {
    ASSIGN_OR_RETURN(backlog.settled_total, whole_number(field, value));
  } else if (field == "published") {
    ASSIGN_OR_RETURN(line.published, whole_number(field, value));
  } else if (field == "oldestAgeSeconds") {
    ASSIGN_OR_RETURN(const double age, seconds(field, value));
    backlog.oldest_age = base::Millis(std::llround(age * 1'000));
  } else if (field == "paused") {
    ASSIGN_OR_RETURN(backlog.paused, truth(field, value));
  } else if (field == "known") {
    ASSIGN_OR_RETURN(backlog.coverage, coverage(value));
  } else {
    return base::invalid_argument("\"" + std::string(field) + "\" is no column; there are " +
                                  std::string(kColumns));
  }
  return {};
}

base::Result<Fields> json_fields(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::invalid_argument("is no JSON object");
  Fields fields;
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    if (value.is_structured()) return wrong(name, value.dump(), "a single value");
    fields[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return fields;
}

base::Result<Fields> csv_fields(std::string_view text, const std::vector<std::string>& headings) {
  const std::vector<std::string_view> cells = split(text, ',');
  if (cells.size() != headings.size()) {
    return base::invalid_argument("has " + std::to_string(cells.size()) +
                                  " values under a heading of " + std::to_string(headings.size()));
  }
  Fields fields;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i].empty()) fields[headings[i]] = std::string(cells[i]);
  }
  return fields;
}

base::Result<std::vector<std::string>> csv_headings(std::string_view text) {
  std::vector<std::string> headings;
  for (const std::string_view name : split(text, ',')) {
    TraceLine ignored;
    const base::Status known = set(name, "0", ignored);
    if (!known.has_value() && name != "known") return known.error();
    if (std::find(headings.begin(), headings.end(), name) != headings.end()) {
      return base::invalid_argument("the column \"" + std::string(name) + "\" stands twice");
    }
    headings.emplace_back(name);
  }
  return headings;
}

// Reads a trace line by line.
class TraceReader {
 public:
  base::Status add(std::string_view text) {
    const bool json = text.front() == '{';
    if (!json && headings_.empty()) {
      ASSIGN_OR_RETURN(headings_, csv_headings(text));
      return {};
    }
    ASSIGN_OR_RETURN(const Fields fields, json ? json_fields(text) : csv_fields(text, headings_));
    TraceLine line;
    line.backlog.coverage = Coverage::kAll;
    for (const auto& [name, value] : fields) RETURN_IF_ERROR(set(name, value, line));
    if (!fields.contains("time")) return base::invalid_argument("time: is missing");
    return check(fields, std::move(line));
  }

  base::Result<Trace> finish() && {
    if (trace_.lines.empty()) return base::invalid_argument("has no line with a time");
    return std::move(trace_);
  }

 private:
  base::Status check(const Fields& fields, TraceLine line) {
    const bool arrivals = fields.contains("published");
    if (arrivals && (fields.contains("ready") || fields.contains("inFlight"))) {
      return base::invalid_argument(
          "published: is for made traces, where ready and inFlight are computed; give one or the "
          "other");
    }
    // A line of nothing but silence fits both kinds.
    const bool silent = line.backlog.coverage == Coverage::kNone;
    if (!arrivals && !silent && !fields.contains("ready")) {
      return base::invalid_argument("ready: is missing (or published, in a made trace)");
    }
    if (!silent && kind_known_ && arrivals != trace_.arrivals) {
      return base::invalid_argument("published: stands in some lines and not in others");
    }
    if (!silent) {
      kind_known_ = true;
      trace_.arrivals = arrivals;
    }
    if (trace_.lines.empty()) begin_ = line.time;
    line.time -= begin_;
    if (!trace_.lines.empty() && line.time < trace_.lines.back().time) {
      return wrong("time", fields.at("time"), "no time before that of the line before");
    }
    if (line.time > kTraceTimeMax) {
      return wrong("time", fields.at("time"), "at most 7 days after the first line");
    }
    trace_.lines.push_back(std::move(line));
    return {};
  }

  std::vector<std::string> headings_;
  base::Millis begin_{0};
  bool kind_known_ = false;
  Trace trace_;
};

}  // namespace

base::Result<Trace> parse_trace(std::string_view file, std::string_view text) {
  TraceReader reader;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const base::Status added = reader.add(line);
    if (!added.has_value()) {
      return base::invalid_argument(std::string(file) + ":" + std::to_string(number) + ": " +
                                    added.error().message());
    }
  }
  base::Result<Trace> trace = std::move(reader).finish();
  if (!trace) return base::invalid_argument(std::string(file) + ": " + trace.error().message());
  return trace;
}

}  // namespace sluice::cli::scaling
