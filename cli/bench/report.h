#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/bench/latency_histogram.h"
#include "cli/bench/options.h"

namespace sluice::cli::bench {

// What a bench measured. Times in seconds of the clock that all its processes share.
struct Report {
  std::uint64_t stored = 0;
  std::uint64_t settled = 0;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t foreign = 0;
  double publish_seconds = 0;     // first message sent .. last one acknowledged
  double consume_seconds = 0;     // first message delivered .. last settle confirmed
  double end_to_end_seconds = 0;  // first message sent .. last settle confirmed
  LatencyHistogram publish_ack;
  LatencyHistogram end_to_end;  // sent .. in the consumer's hands
  std::uint64_t rss_bytes = 0;  // of the broker, after the load
  std::uint64_t rss_idle_bytes = 0;
  std::uint64_t rss_peak_bytes = 0;
  std::uint64_t rss_waiting_bytes = 0;
  double cpu_seconds = 0;

  // Every message that was stored came, once, and no other.
  bool good() const { return lost == 0 && duplicated == 0 && refused == 0 && foreign == 0; }
};

// One JSON object on one line; docs/cli.md has its keys.
std::string report_json(const Options& options, const Report& report);
std::string report_text(const Options& options, const Report& report);

// One bench, or the same one in plain text and encrypted; then JSON has an object of each, and
// `curve_share`, the encrypted one's part of the other's messages a second.
struct Measured {
  Options options;
  Report report;
};
std::string report_json(const std::vector<Measured>& all);
std::string report_text(const std::vector<Measured>& all);

}  // namespace sluice::cli::bench
