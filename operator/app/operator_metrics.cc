#include <array>

#include "operator/app/operator_stats.h"

namespace sluice::op {
namespace {

namespace http = frontend::http;
using http::MetricData;
using http::MetricInfo;
using http::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr auto kGauge = MetricType::kGauge;
constexpr auto kCounter = MetricType::kCounter;
constexpr auto kHistogram = MetricType::kHistogram;

const Labels kController{{"controller", "queue"}};
const Labels kName{{"name", "queue"}};

std::string_view to_string(ReconcileResult result) {
  switch (result) {
    case ReconcileResult::kSuccess:
      return "success";
    case ReconcileResult::kError:
      return "error";
    case ReconcileResult::kRequeue:
      return "requeue";
    case ReconcileResult::kRequeueAfter:
      return "requeue_after";
  }
  return "success";
}

double in_seconds(base::Nanos time) { return std::chrono::duration<double>(time).count(); }

// Collects the metrics in the order of the table.
class Page {
 public:
  MetricData& add(const MetricInfo& info) { return out_.emplace_back(MetricData{info, {}}); }
  void value(const MetricInfo& info, Labels labels, double value) {
    add(info).samples.push_back({std::move(labels), value, {}});
  }
  void histogram(const MetricInfo& info, Labels labels, broker::HistogramStats buckets) {
    add(info).samples.push_back({std::move(labels), 0, std::move(buckets)});
  }
  std::vector<MetricData> take() { return std::move(out_); }

 private:
  std::vector<MetricData> out_;
};

void add_reconciling(Page& page, const OperatorStats& stats) {
  MetricData& total = page.add(
      {"controller_runtime_reconcile_total", kCounter, "controller, result", "Reconciliations."});
  for (const auto result : {ReconcileResult::kSuccess, ReconcileResult::kError,
                            ReconcileResult::kRequeue, ReconcileResult::kRequeueAfter}) {
    const auto found = stats.reconciles.find(result);
    Labels labels = kController;
    labels.emplace_back("result", to_string(result));
    total.samples.push_back(
        {labels, found == stats.reconciles.end() ? 0.0 : static_cast<double>(found->second), {}});
  }
  page.value({"controller_runtime_reconcile_errors_total", kCounter, "controller",
              "Reconciliations that failed and are tried again."},
             kController, static_cast<double>(stats.reconcile_errors));
  page.value({"controller_runtime_terminal_reconcile_errors_total", kCounter, "controller",
              "Reconciliations that found what no retry can mend (Stalled)."},
             kController, static_cast<double>(stats.terminal_errors));
  page.histogram({"controller_runtime_reconcile_time_seconds", kHistogram, "controller",
                  "How long a reconciliation takes."},
                 kController, stats.reconcile_seconds);
  page.value({"controller_runtime_active_workers", kGauge, "controller", "Workers that are busy."},
             kController, static_cast<double>(stats.queue.processing));
  page.value(
      {"controller_runtime_max_concurrent_reconciles", kGauge, "controller", "Workers there are."},
      kController, static_cast<double>(stats.workers));
}

void add_work_queue(Page& page, const OperatorStats& stats) {
  page.value({"workqueue_depth", kGauge, "name", "Keys that wait for a worker."}, kName,
             static_cast<double>(stats.queue.depth));
  page.value({"workqueue_adds_total", kCounter, "name", "Keys added."}, kName,
             static_cast<double>(stats.queue.adds));
  page.value({"workqueue_retries_total", kCounter, "name", "Keys added again after a failure."},
             kName, static_cast<double>(stats.queue.retries));
  page.histogram({"workqueue_queue_duration_seconds", kHistogram, "name",
                  "From adding a key to a worker that takes it."},
                 kName, stats.queue_wait_seconds);
  page.histogram(
      {"workqueue_work_duration_seconds", kHistogram, "name", "How long a worker has a key."},
      kName, stats.queue_work_seconds);
  page.value({"workqueue_unfinished_work_seconds", kGauge, "name",
              "Sum of the time that keys have been in work now."},
             kName, in_seconds(stats.queue.unfinished));
  page.value(
      {"workqueue_longest_running_processor_seconds", kGauge, "name", "The longest of them."},
      kName, in_seconds(stats.queue.longest_running));
}

void add_requests(Page& page, const OperatorStats& stats) {
  MetricData& requests =
      page.add({"rest_client_requests_total", kCounter, "code, method, host",
                "Requests to the API server, by HTTP status; `<error>` where none came."});
  for (const auto& [what, count] : stats.requests) {
    const std::string code = what.second == 0 ? "<error>" : std::to_string(what.second);
    requests.samples.push_back({{{"code", code}, {"method", what.first}, {"host", stats.api_host}},
                                static_cast<double>(count),
                                {}});
  }
  MetricData& durations = page.add(
      {"rest_client_request_duration_seconds", kHistogram, "verb, host", "How long they take."});
  for (const auto& [verb, buckets] : stats.request_seconds) {
    durations.samples.push_back({{{"verb", verb}, {"host", stats.api_host}}, 0, buckets});
  }
}

void add_process(Page& page, const OperatorStats& stats) {
  page.value({"leader_election_master_status", kGauge, "name", "1 on the leader, 0 on others."},
             {{"name", stats.lease_name}}, stats.leads ? 1 : 0);
  page.value({"process_start_time_seconds", kGauge, "", "Start of the process, since 1970."}, {},
             stats.resources.start_seconds);
  page.value({"process_cpu_seconds_total", kCounter, "", "User and system time of the process."},
             {}, stats.resources.cpu_seconds);
  page.value({"process_resident_memory_bytes", kGauge, "", "Memory of the process."}, {},
             static_cast<double>(stats.resources.resident_bytes));
  page.value({"process_open_fds", kGauge, "", "Open file descriptors."}, {},
             static_cast<double>(stats.resources.open_fds));
  page.value({"process_max_fds", kGauge, "", "Limit of open file descriptors."}, {},
             static_cast<double>(stats.resources.max_fds));
  Labels build = {{"version", stats.version}};
  if (!stats.revision.empty()) build.push_back({"revision", stats.revision});
  page.value({"sluice_operator_build_info", kGauge, "version, revision",
              "1; what runs, in its labels. No revision where it was built without git."},
             std::move(build), 1);
  page.value({"sluice_operator_leader_epoch", kGauge, "",
              "Epoch of the leadership, as brokers know it; 0 on others."},
             {}, static_cast<double>(stats.epoch));
}

void add_queues(Page& page, const OperatorStats& stats) {
  MetricData& queues = page.add(
      {"sluice_operator_queues", kGauge, "state", "Queue objects, by what their conditions say."});
  for (const char* state : {"Ready", "Reconciling", "Stalled", "Deleting"}) {
    const auto found = stats.queues_by_state.find(state);
    const double count =
        found == stats.queues_by_state.end() ? 0.0 : static_cast<double>(found->second);
    queues.samples.push_back({{{"state", state}}, count, {}});
  }
  MetricData& links = page.add({"sluice_operator_broker_links", kGauge, "state",
                                "Shards of brokers, by whether their control port is connected."});
  links.samples.push_back(
      {{{"state", "connected"}}, static_cast<double>(stats.links_connected), {}});
  links.samples.push_back({{{"state", "waiting"}}, static_cast<double>(stats.links_waiting), {}});
}

struct ScalingMetric {
  MetricInfo info;
  std::optional<double> (*value)(const ScalingSeries&);
  const char* label = nullptr;  // beyond the three, and its text
  const std::string ScalingSeries::*text = nullptr;
};

std::optional<double> one_if(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<double>(1);
}

constexpr std::string_view kSubscription = "namespace, queue, subscription";

const std::array<ScalingMetric, 6> kBeforeDecisions{{
    {{"sluice_operator_consumers_current", kGauge, kSubscription,
      "Replicas that the scale target has."},
     [](const ScalingSeries& one) { return one.current; }},
    {{"sluice_operator_consumers_desired", kGauge, kSubscription,
      "Replicas that the autoscaler wants."},
     [](const ScalingSeries& one) { return one.desired; }},
    {{"sluice_operator_consumers_min", kGauge, kSubscription, "consumers.minReplicas."},
     [](const ScalingSeries& one) { return one.min; }},
    {{"sluice_operator_consumers_max", kGauge, kSubscription, "consumers.maxReplicas."},
     [](const ScalingSeries& one) { return one.max; }},
    {{"sluice_operator_consumers_limited", kGauge, "namespace, queue, subscription, limited_by",
      "1 for what keeps the autoscaler from its answer; absent where nothing does."},
     [](const ScalingSeries& one) { return one_if(one.limited_by); },
     "limited_by",
     &ScalingSeries::limited_by},
    {{"sluice_operator_consumers_held", kGauge, "namespace, queue, subscription, reason",
      "1 for why the replicas are held, whatever waits; absent while they are not."},
     [](const ScalingSeries& one) { return one_if(one.held_reason); },
     "reason",
     &ScalingSeries::held_reason},
}};

const ScalingMetric kObservationAge{
    {"sluice_operator_observation_age_seconds", kGauge, kSubscription,
     "Age of what the autoscaler knows; of several shards, the oldest."},
    [](const ScalingSeries& one) { return one.observation_age_seconds; }};

void add_series(Page& page, const OperatorStats& stats, const ScalingMetric& metric) {
  MetricData& data = page.add(metric.info);
  for (const ScalingSeries& one : stats.scaling) {
    const std::optional<double> value = metric.value(one);
    if (!value) continue;
    Labels labels{
        {"namespace", one.name_space}, {"queue", one.queue}, {"subscription", one.subscription}};
    if (metric.label != nullptr) labels.emplace_back(metric.label, one.*metric.text);
    data.samples.push_back({std::move(labels), *value, {}});
  }
}

void add_scaling(Page& page, const OperatorStats& stats) {
  for (const ScalingMetric& metric : kBeforeDecisions) add_series(page, stats, metric);
  MetricData& decisions =
      page.add({"sluice_operator_scaling_decisions_total", kCounter,
                "namespace, queue, subscription, reason",
                "Changes of the scale target's replicas, by the reason of the decision."});
  for (const auto& [what, count] : stats.decisions) {
    decisions.samples.push_back({{{"namespace", std::get<0>(what)},
                                  {"queue", std::get<1>(what)},
                                  {"subscription", std::get<2>(what)},
                                  {"reason", std::get<3>(what)}},
                                 static_cast<double>(count),
                                 {}});
  }
  page.histogram({"sluice_operator_scaling_latency_seconds", kHistogram, "",
                  "From an observation to the scale write that it caused."},
                 {}, stats.scaling_latency_seconds);
  add_series(page, stats, kObservationAge);
}

}  // namespace

std::vector<MetricData> operator_metrics(const OperatorStats& stats) {
  Page page;
  add_reconciling(page, stats);
  add_work_queue(page, stats);
  add_requests(page, stats);
  add_process(page, stats);
  add_queues(page, stats);
  add_scaling(page, stats);
  return page.take();
}

}  // namespace sluice::op
