#pragma once

#include <span>

#include "frontend/http/metric.h"
#include "frontend/http/process_stats.h"

// The metrics that are one number of a structure each: this is where most new ones belong. Those
// with a label of their own, and histograms, are in metric.cc.
namespace sluice::frontend::http {

template <typename Source>
struct SimpleMetric {
  MetricInfo info;
  double (*value)(const Source&);
};

std::span<const SimpleMetric<ProcessStats>> process_metrics();
std::span<const SimpleMetric<broker::QueueStats>> queue_metrics();  // label queue
std::span<const SimpleMetric<broker::SubscriptionStats>>
subscription_metrics();  // and subscription

}  // namespace sluice::frontend::http
