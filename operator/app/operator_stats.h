#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/time.h"
#include "broker/histogram.h"
#include "frontend/http/metric.h"
#include "frontend/http/process_stats.h"
#include "kube/work_queue.h"

namespace sluice::op {

enum class ReconcileResult : std::uint8_t { kSuccess, kError, kRequeue, kRequeueAfter };

// What the autoscaler tells of one subscription.
struct ScalingSeries {
  std::string name_space;
  std::string queue;
  std::string subscription;
  std::optional<double> current;
  std::optional<double> desired;
  std::optional<double> min;
  std::optional<double> max;
  std::string limited_by;   // empty = by nothing
  std::string held_reason;  // empty = not held
  std::optional<double> observation_age_seconds;
};

// Everything that the operator tells about itself at one time. docs/metrics.md names each number as
// people see it.
struct OperatorStats {
  std::map<ReconcileResult, std::uint64_t> reconciles;
  std::uint64_t reconcile_errors = 0;
  std::uint64_t terminal_errors = 0;
  broker::HistogramStats reconcile_seconds;
  std::size_t workers = 0;
  kube::WorkQueueStats queue;
  broker::HistogramStats queue_wait_seconds;
  broker::HistogramStats queue_work_seconds;
  std::string api_host;
  std::map<std::pair<std::string, int>, std::uint64_t> requests;  // (method, status)
  std::map<std::string, broker::HistogramStats> request_seconds;  // by method
  std::string lease_name;
  bool leads = false;
  std::uint64_t epoch = 0;
  frontend::http::ResourceStats resources;
  std::string version;
  std::string revision;
  std::map<std::string, std::uint64_t> queues_by_state;
  std::size_t links_connected = 0;
  std::size_t links_waiting = 0;
  std::vector<ScalingSeries> scaling;
  // Changes of replicas, by (namespace, queue, subscription, reason).
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::uint64_t> decisions;
  broker::HistogramStats scaling_latency_seconds;
};

// The metrics of docs/metrics.md, section "Operator".
std::vector<frontend::http::MetricData> operator_metrics(const OperatorStats& stats);

// Counts what happens. Any thread.
class OperatorCounters {
 public:
  void reconciled(ReconcileResult result, base::Nanos taken);
  void terminal_error();
  void waited(base::Nanos time);
  void worked(base::Nanos time);
  void request(std::string_view method, int status, base::Millis taken);
  // Without a time: of a list or a watch.
  void request(std::string_view method, int status);
  void scaled(const std::string& name_space, const std::string& queue,
              const std::string& subscription, const std::string& reason);
  void scaling_latency(base::Nanos time);
  // These are all Queues, by namespace and name: what was counted of others is forgotten.
  void keep_queues(const std::set<std::pair<std::string, std::string>>& queues);

  // Fills in what is counted here.
  void fill(OperatorStats& stats) const;

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::map<ReconcileResult, std::uint64_t> reconciles_;
  std::uint64_t terminal_errors_ = 0;
  broker::Histogram reconcile_ = broker::Histogram::of_seconds();
  broker::Histogram wait_ = broker::Histogram::of_seconds();
  broker::Histogram work_ = broker::Histogram::of_seconds();
  broker::Histogram latency_ = broker::Histogram::of_seconds();
  std::map<std::pair<std::string, int>, std::uint64_t> requests_;
  std::map<std::string, broker::Histogram> request_seconds_;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::uint64_t>
      decisions_;
};

}  // namespace sluice::op
