#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "frontend/http/metric.h"

namespace sluice::frontend::http {

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// The metrics in Prometheus' text format 0.0.4, each with its HELP and TYPE.
std::string to_prometheus_text(const std::vector<MetricData>& metrics);

}  // namespace sluice::frontend::http
