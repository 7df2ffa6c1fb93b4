#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "operator/autoscale/observation.h"

namespace sluice::cli::scaling {

// One line of a trace: what holds from its time on, until the next line says otherwise.
struct TraceLine {
  base::Millis time{0};  // since the first line
  // What brokers told (without the columns of a made trace).
  autoscale::Backlog backlog;
  // Of a made trace: messages that came since the line before.
  std::uint64_t published = 0;
};

// How a subscription fared: recorded from a broker, or made up as arrivals. docs/autoscaling.md
// describes the format, "Traces".
struct Trace {
  bool arrivals = false;         // of `published`; the backlog is to be computed
  std::vector<TraceLine> lines;  // at least one, by time
};

inline constexpr base::Millis kTraceTimeMax = std::chrono::days(7);

// CSV with a heading, or a JSON object a line. InvalidArgument names `file`, line and field.
base::Result<Trace> parse_trace(std::string_view file, std::string_view text);

}  // namespace sluice::cli::scaling
