#include "frontend/http/metric.h"

#include <map>

#include "frontend/http/metric_tables.h"
#include "frontend/http/queue_selection.h"
#include "storage/fact.h"
#include "wire/error_code.h"

namespace sluice::frontend::http {
namespace {

using broker::QueueStats;
using broker::SubscriptionStats;
using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr MetricInfo kBuildInfo = {
    "sluice_build_info", MetricType::kGauge, "version, revision",
    "1; what runs, in its labels. No revision where it was built without git."};
constexpr MetricInfo kIdentityInfo = {"sluice_identity_info", MetricType::kGauge, "log_id",
                                      "1; which data the broker serves, in its label."};
constexpr MetricInfo kStorageBytes = {
    "sluice_storage_bytes", MetricType::kGauge, "kind",
    "Disk space: used by the log, its limit (where one is set), free on the file system, its size, "
    "how little free counts as low, reserved for when it is full."};
constexpr MetricInfo kSnapshotAge = {"sluice_snapshot_age_seconds", MetricType::kGauge, "",
                                     "Age of the last snapshot; absent until there is one."};
constexpr MetricInfo kScrubAge = {
    "sluice_scrub_age_seconds", MetricType::kGauge, "",
    "Since the whole log was last read in search of damage; absent until it was."};
constexpr MetricInfo kGatekeeper = {"sluice_gatekeeper_answers", MetricType::kGauge, "",
                                    "1 while the gatekeeper answers, which checks the keys of new "
                                    "connections; 0 = it is silent and "
                                    "nobody is let in; absent without keys."};
constexpr MetricInfo kFsync = {"sluice_wal_fsync_duration_seconds", MetricType::kHistogram, "",
                               "How long a sync of the log takes."};
constexpr MetricInfo kFramesRefused = {"sluice_frames_refused_total", MetricType::kCounter,
                                       "reason",
                                       "Commands of clients that were refused, by error code."};
constexpr MetricInfo kHandshakes = {"sluice_handshake_failures_total", MetricType::kCounter,
                                    "reason", "Connections that did not get as far as a session."};
constexpr MetricInfo kDenied = {"sluice_commands_denied_total", MetricType::kCounter, "role",
                                "Commands whose key lacked a role, by that role."};
constexpr MetricInfo kPublishesRefused = {"sluice_publishes_refused_total", MetricType::kCounter,
                                          "queue, reason",
                                          "Publishes that were refused, by error code."};
constexpr MetricInfo kMessageBytes = {"sluice_message_size_bytes", MetricType::kHistogram, "queue",
                                      "Bodies of accepted messages."};
constexpr MetricInfo kDeadLettered = {"sluice_messages_dead_lettered_total", MetricType::kCounter,
                                      "queue, subscription, reason",
                                      "Messages that became dead letters."};
constexpr MetricInfo kRemoved = {"sluice_messages_removed_total", MetricType::kCounter,
                                 "queue, subscription, cause",
                                 "Messages and dead letters that went without being settled."};
constexpr MetricInfo kEndToEnd = {"sluice_end_to_end_latency_seconds", MetricType::kHistogram,
                                  "queue, subscription",
                                  "From accepting a message to its first delivery."};
constexpr MetricInfo kProcessing = {"sluice_processing_duration_seconds", MetricType::kHistogram,
                                    "queue, subscription", "From a delivery to its ack."};

constexpr storage::DeadReason kDeadReasons[] = {
    storage::DeadReason::kRejected, storage::DeadReason::kAttemptsExceeded,
    storage::DeadReason::kStallsExceeded, storage::DeadReason::kExpired,
    storage::DeadReason::kOverflow};

constexpr storage::RemoveCause kRemoveCauses[] = {
    storage::RemoveCause::kExpired,     storage::RemoveCause::kPurged,
    storage::RemoveCause::kOverflow,    storage::RemoveCause::kRetention,
    storage::RemoveCause::kDeadExpired, storage::RemoveCause::kDeadDiscarded,
    storage::RemoveCause::kMoved};

MetricSample sample(Labels labels, double value) { return {std::move(labels), value, {}}; }

Labels with(Labels labels, std::string name, std::string value) {
  labels.emplace_back(std::move(name), std::move(value));
  return labels;
}

// Codes of a later version share a name; series must not.
void add_by_code(MetricData& metric, const Labels& labels,
                 const std::map<std::uint16_t, std::uint64_t>& counts) {
  std::map<std::string, std::uint64_t> by_name;
  for (const auto& [code, count] : counts) {
    by_name[std::string(wire::to_string(static_cast<wire::Code>(code)))] += count;
  }
  for (const auto& [name, count] : by_name) {
    metric.samples.push_back(sample(with(labels, "reason", name), static_cast<double>(count)));
  }
}

void add_histogram(MetricData& metric, const Labels& labels,
                   const broker::HistogramStats& buckets) {
  if (buckets.counts.size() != buckets.bounds.size() + 1) return;
  metric.samples.push_back({labels, 0, buckets});
}

// --- One process.

MetricData build_info(const ProcessStats& stats) {
  Labels labels = {{"version", stats.build.version}};
  if (!stats.build.revision.empty()) labels.push_back({"revision", stats.build.revision});
  return {kBuildInfo, {sample(std::move(labels), 1)}};
}

MetricData identity_info(const ProcessStats& stats) {
  return {kIdentityInfo, {sample({{"log_id", stats.broker.log_id.to_hex()}}, 1)}};
}

MetricData storage_bytes(const StorageStats& storage) {
  MetricData metric{kStorageBytes, {}};
  const auto add = [&](const char* kind, std::uint64_t bytes) {
    metric.samples.push_back(sample({{"kind", kind}}, static_cast<double>(bytes)));
  };
  add("used", storage.log_bytes);
  if (storage.log_bytes_limit > 0) add("limit", storage.log_bytes_limit);
  add("free", storage.disk_free_bytes);
  add("size", storage.disk_bytes);
  add("low", storage.low_mark_bytes);
  add("reserve", storage.reserve_bytes);
  return metric;
}

MetricData snapshot_age(const StorageStats& storage) {
  MetricData metric{kSnapshotAge, {}};
  if (storage.snapshot_age_seconds) {
    metric.samples.push_back(sample({}, *storage.snapshot_age_seconds));
  }
  return metric;
}

MetricData scrub_age(const StorageStats& storage) {
  MetricData metric{kScrubAge, {}};
  if (storage.scrub_age_seconds) metric.samples.push_back(sample({}, *storage.scrub_age_seconds));
  return metric;
}

MetricData gatekeeper(const TransportStats& transport) {
  MetricData metric{kGatekeeper, {}};
  if (transport.gatekeeper_answers) {
    metric.samples.push_back(sample({}, *transport.gatekeeper_answers ? 1 : 0));
  }
  return metric;
}

MetricData handshake_failures(const TransportStats& transport) {
  MetricData metric{kHandshakes, {}};
  for (const auto& [reason, count] : transport.handshake_failures_by_reason) {
    metric.samples.push_back(sample({{"reason", reason}}, static_cast<double>(count)));
  }
  return metric;
}

MetricData commands_denied(const TransportStats& transport) {
  MetricData metric{kDenied, {}};
  for (const auto& [role, count] : transport.denied_by_role) {
    metric.samples.push_back(sample({{"role", role}}, static_cast<double>(count)));
  }
  return metric;
}

void append_process_metrics(const ProcessStats& stats, std::vector<MetricData>& out) {
  out.push_back(build_info(stats));
  out.push_back(identity_info(stats));
  for (const auto& metric : process_metrics()) {
    out.push_back({metric.info, {sample({}, metric.value(stats))}});
  }
  out.push_back(storage_bytes(stats.storage));
  out.push_back(snapshot_age(stats.storage));
  out.push_back(scrub_age(stats.storage));
  out.push_back(gatekeeper(stats.transport));
  add_histogram(out.emplace_back(MetricData{kFsync, {}}), {}, stats.storage.fsync_seconds);
  add_by_code(out.emplace_back(MetricData{kFramesRefused, {}}), {},
              stats.transport.frames_refused_by_code);
  out.push_back(handshake_failures(stats.transport));
  out.push_back(commands_denied(stats.transport));
}

// --- Its queues.

using Queues = std::vector<const QueueStats*>;

void append_queue_metrics(const Queues& queues, std::vector<MetricData>& out) {
  for (const auto& metric : queue_metrics()) {
    MetricData& data = out.emplace_back(MetricData{metric.info, {}});
    for (const QueueStats* queue : queues) {
      data.samples.push_back(sample({{"queue", queue->name}}, metric.value(*queue)));
    }
  }
  MetricData refused{kPublishesRefused, {}};
  MetricData sizes{kMessageBytes, {}};
  for (const QueueStats* queue : queues) {
    const Labels labels = {{"queue", queue->name}};
    add_by_code(refused, labels, queue->refused_by_code);
    add_histogram(sizes, labels, queue->message_bytes);
  }
  out.push_back(std::move(refused));
  out.push_back(std::move(sizes));
}

// --- Their subscriptions.

template <typename Function>
void for_each_subscription(const Queues& queues, Function&& function) {
  for (const QueueStats* queue : queues) {
    for (const SubscriptionStats& one : queue->subscriptions) {
      function(Labels{{"queue", queue->name}, {"subscription", one.name}}, one);
    }
  }
}

void append_subscription_metrics(const Queues& queues, std::vector<MetricData>& out) {
  for (const auto& metric : subscription_metrics()) {
    MetricData& data = out.emplace_back(MetricData{metric.info, {}});
    for_each_subscription(queues, [&](Labels labels, const SubscriptionStats& one) {
      data.samples.push_back(sample(std::move(labels), metric.value(one)));
    });
  }
  MetricData dead{kDeadLettered, {}};
  MetricData removed{kRemoved, {}};
  MetricData end_to_end{kEndToEnd, {}};
  MetricData processing{kProcessing, {}};
  for_each_subscription(queues, [&](const Labels& labels, const SubscriptionStats& one) {
    // All reasons from the start: a rate over a series that begins with its first event misses it.
    for (const storage::DeadReason reason : kDeadReasons) {
      const auto found = one.dead_by_reason.find(reason);
      const double count =
          found == one.dead_by_reason.end() ? 0 : static_cast<double>(found->second);
      dead.samples.push_back(
          sample(with(labels, "reason", std::string(storage::to_string(reason))), count));
    }
    for (const storage::RemoveCause cause : kRemoveCauses) {
      const auto found = one.removed_by_cause.find(cause);
      const double count =
          found == one.removed_by_cause.end() ? 0 : static_cast<double>(found->second);
      removed.samples.push_back(
          sample(with(labels, "cause", std::string(storage::to_string(cause))), count));
    }
    add_histogram(end_to_end, labels, one.end_to_end_seconds);
    add_histogram(processing, labels, one.processing_seconds);
  });
  out.push_back(std::move(dead));
  out.push_back(std::move(removed));
  out.push_back(std::move(end_to_end));
  out.push_back(std::move(processing));
}

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kCounter:
      return "counter";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

std::vector<MetricData> build_metrics(const ProcessStats& stats, const SeriesLimits& limits) {
  const QueueSelection selection = select_queues(stats.broker, limits);
  Queues queues = selection.named;
  if (selection.other) queues.push_back(&*selection.other);
  std::vector<MetricData> out;
  append_process_metrics(stats, out);
  append_queue_metrics(queues, out);
  append_subscription_metrics(queues, out);
  return out;
}

}  // namespace sluice::frontend::http
