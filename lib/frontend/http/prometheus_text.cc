#include "frontend/http/prometheus_text.h"

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <prometheus/text_serializer.h>

#include <cstdint>
#include <limits>

namespace sluice::frontend::http {
namespace {

prometheus::MetricType type_of(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Ours count each bucket for itself; Prometheus' contain those below.
void fill_histogram(const broker::HistogramStats& from, prometheus::ClientMetric::Histogram& to) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < from.counts.size(); ++i) {
    count += from.counts[i];
    prometheus::ClientMetric::Bucket bucket;
    bucket.cumulative_count = count;
    bucket.upper_bound =
        i < from.bounds.size() ? from.bounds[i] : std::numeric_limits<double>::infinity();
    to.bucket.push_back(bucket);
  }
  to.sample_count = count;
  to.sample_sum = from.sum;
}

prometheus::ClientMetric convert(const MetricSample& sample, MetricType type) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : sample.labels) out.label.push_back({name, value});
  switch (type) {
    case MetricType::kGauge:
      out.gauge.value = sample.value;
      break;
    case MetricType::kCounter:
      out.counter.value = sample.value;
      break;
    case MetricType::kHistogram:
      fill_histogram(sample.buckets, out.histogram);
      break;
  }
  return out;
}

// The library's own registry keeps a live object a series, behind mutexes; ours are made from one
// immutable picture instead, so all numbers of a scrape belong to the same moment.
class Snapshot final : public prometheus::Collectable {
 public:
  // `metrics` must outlive the snapshot.
  explicit Snapshot(const std::vector<MetricData>& metrics) : metrics_(metrics) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    families.reserve(metrics_.size());
    for (const MetricData& metric : metrics_) {
      prometheus::MetricFamily& family = families.emplace_back();
      family.name = metric.info.name;
      family.help = metric.info.help;
      family.type = type_of(metric.info.type);
      family.metric.reserve(metric.samples.size());
      for (const MetricSample& sample : metric.samples) {
        family.metric.push_back(convert(sample, metric.info.type));
      }
    }
    return families;
  }

 private:
  const std::vector<MetricData>& metrics_;
};

}  // namespace

std::string to_prometheus_text(const std::vector<MetricData>& metrics) {
  return prometheus::TextSerializer().Serialize(Snapshot(metrics).Collect());
}

}  // namespace sluice::frontend::http
