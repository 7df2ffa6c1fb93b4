#pragma once

#include <optional>
#include <vector>

#include "broker/stats.h"
#include "frontend/http/metric.h"

namespace sluice::frontend::http {

// The queues that metrics name, within the limits, and the sum of all others.
struct QueueSelection {
  std::vector<const broker::QueueStats*> named;  // into the statistics
  std::optional<broker::QueueStats> other;       // one subscription, both named kOtherName
};

QueueSelection select_queues(const broker::BrokerStats& stats, const SeriesLimits& limits);

}  // namespace sluice::frontend::http
