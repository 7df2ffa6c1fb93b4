#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/stats.h"
#include "frontend/http/process_stats.h"

// Metrics as plain values, between the statistics and whatever format they leave in.
namespace sluice::frontend::http {

enum class MetricType : std::uint8_t { kGauge, kCounter, kHistogram };
std::string_view to_string(MetricType type);

// What a metric is, as docs/metrics.md has it. Units are Prometheus' base units.
struct MetricInfo {
  std::string_view name;
  MetricType type = MetricType::kGauge;
  std::string_view labels;  // "queue, subscription"; empty = none
  std::string_view help;
};

struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;                // gauges and counters
  broker::HistogramStats buckets;  // histograms
};

struct MetricData {
  MetricInfo info;
  std::vector<MetricSample> samples;
};

// At most so many series of each metric carry a queue's own name; what is beyond is added up under
// kOtherName, which no queue can be called. Queues come first by name, so that a series does not
// come and go with the load.
struct SeriesLimits {
  std::size_t queues_max = 1'000;
  std::size_t subscriptions_max = 2'000;
};
inline constexpr std::string_view kOtherName = "_other";

// Every metric there is, with its samples; a metric without samples is there too.
std::vector<MetricData> build_metrics(const ProcessStats& stats, const SeriesLimits& limits = {});

}  // namespace sluice::frontend::http
