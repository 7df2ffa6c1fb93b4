#include "frontend/http/metric_tables.h"

namespace sluice::frontend::http {
namespace {

using enum MetricType;
using broker::QueueStats;
using broker::SubscriptionStats;
using Process = ProcessStats;

constexpr std::string_view kQueue = "queue";
constexpr std::string_view kSubscription = "queue, subscription";
constexpr double kMillisPerSecond = 1000;

template <typename T>
double number(T value) {
  return static_cast<double>(value);
}

constexpr SimpleMetric<Process> kProcessMetrics[] = {
    {{"sluice_process_start_time_seconds", kGauge, "", "Start of the process, since 1970."},
     [](const Process& p) { return p.resources.start_seconds; }},
    {{"sluice_process_cpu_seconds_total", kCounter, "", "User and system time of the process."},
     [](const Process& p) { return p.resources.cpu_seconds; }},
    {{"sluice_process_resident_memory_bytes", kGauge, "", "Memory of the process."},
     [](const Process& p) { return number(p.resources.resident_bytes); }},
    {{"sluice_process_open_fds", kGauge, "", "Open file descriptors."},
     [](const Process& p) { return number(p.resources.open_fds); }},
    {{"sluice_process_max_fds", kGauge, "", "Limit of open file descriptors."},
     [](const Process& p) { return number(p.resources.max_fds); }},
    {{"sluice_stats_timestamp_seconds", kGauge, "",
      "When these numbers were taken, since 1970. It stands still when the broker's loop does."},
     [](const Process& p) { return number(p.taken_at.value()) / kMillisPerSecond; }},
    {{"sluice_incarnation", kGauge, "", "Starts of the broker on its data folder."},
     [](const Process& p) { return number(p.broker.incarnation); }},
    {{"sluice_queues", kGauge, "", "Queues of the broker."},
     [](const Process& p) { return number(p.broker.queues.size()); }},
    {{"sluice_sessions", kGauge, "", "Sessions of clients, also of those that are away."},
     [](const Process& p) { return number(p.broker.sessions); }},
    {{"sluice_connections", kGauge, "", "Connections of clients."},
     [](const Process& p) { return number(p.transport.connections); }},
    {{"sluice_connections_opened_total", kCounter, "", "Connections that clients opened."},
     [](const Process& p) { return number(p.transport.connections_opened); }},
    {{"sluice_connections_closed_total", kCounter, "", "Connections that ended."},
     [](const Process& p) { return number(p.transport.connections_closed); }},
    {{"sluice_frames_received_total", kCounter, "", "Frames from clients."},
     [](const Process& p) { return number(p.transport.frames_received); }},
    {{"sluice_frames_sent_total", kCounter, "", "Frames to clients."},
     [](const Process& p) { return number(p.transport.frames_sent); }},
    {{"sluice_keys", kGauge, "", "Authorized keys; 0 where the broker runs without."},
     [](const Process& p) { return number(p.transport.keys); }},
    {{"sluice_server_keys", kGauge, "",
      "Keys of the broker's own that clients can come with: 2 during a rotation."},
     [](const Process& p) { return number(p.transport.server_keys); }},
    {{"sluice_sessions_to_move", kGauge, "",
      "Sessions that are still on the key that a rotation leaves."},
     [](const Process& p) { return number(p.transport.sessions_to_move); }},
    {{"sluice_storage_low", kGauge, "",
      "1 while publishes are refused because the disk is nearly full."},
     [](const Process& p) { return p.storage.disk_low ? 1.0 : 0.0; }},
    {{"sluice_wal_segments", kGauge, "", "Segments of the log."},
     [](const Process& p) { return number(p.storage.segments); }},
    {{"sluice_wal_extents", kGauge, "", "Extents: what compaction made of sparse segments."},
     [](const Process& p) { return number(p.storage.extents); }},
    {{"sluice_compactions_total", kCounter, "", "Extents that compaction has made."},
     [](const Process& p) { return number(p.storage.compactions); }},
    {{"sluice_compaction_bytes_total", kCounter, "", "Bytes that compaction has written."},
     [](const Process& p) { return number(p.storage.compacted_bytes); }},
    {{"sluice_wal_appended_bytes_total", kCounter, "", "Records appended to the log."},
     [](const Process& p) { return number(p.storage.appended_bytes); }},
    {{"sluice_wal_fsync_total", kCounter, "", "Syncs of the log to the disk."},
     [](const Process& p) { return number(p.storage.fsyncs); }},
    {{"sluice_wal_corrupt_ranges", kGauge, "",
      "Ranges of the log in quarantine: anything but 0 needs a person."},
     [](const Process& p) { return number(p.storage.corrupt_ranges); }},
    {{"sluice_scrub_bytes_total", kCounter, "", "Bytes of the log read in search of damage."},
     [](const Process& p) { return number(p.storage.scrub_bytes); }},
    {{"sluice_scrub_findings_total", kCounter, "",
      "Corrupt ranges that the scrub found, and nobody had before: anything but 0 needs a person."},
     [](const Process& p) { return number(p.storage.scrub_findings); }},
    {{"sluice_wal_feature_level", kGauge, "",
      "Feature level of the log: programs that support less refuse it."},
     [](const Process& p) { return number(p.storage.feature_level); }},
    {{"sluice_wal_feature_level_supported", kGauge, "",
      "The highest feature level that this program supports."},
     [](const Process& p) { return number(p.storage.feature_level_supported); }},
    {{"sluice_snapshots_total", kCounter, "", "Snapshots written."},
     [](const Process& p) { return number(p.storage.snapshots); }},
    {{"sluice_recovery_duration_seconds", kGauge, "", "How long the start's recovery took."},
     [](const Process& p) { return p.storage.recovery_seconds; }},
    {{"sluice_recovery_records", kGauge, "", "Records that the start's recovery read."},
     [](const Process& p) { return number(p.storage.recovered_records); }},
};

constexpr SimpleMetric<QueueStats> kQueueMetrics[] = {
    {{"sluice_queue_messages", kGauge, kQueue,
      "Messages that some subscription has still to settle, without dead letters."},
     [](const QueueStats& q) { return number(q.messages); }},
    {{"sluice_queue_messages_limit", kGauge, kQueue, "spec.limits.messages."},
     [](const QueueStats& q) { return number(q.config.limits.messages_max); }},
    {{"sluice_queue_bytes", kGauge, kQueue, "Bodies of these messages."},
     [](const QueueStats& q) { return number(q.bytes); }},
    {{"sluice_queue_bytes_limit", kGauge, kQueue, "spec.limits.bytes."},
     [](const QueueStats& q) { return number(q.config.limits.bytes_max); }},
    {{"sluice_queue_dead_letter_bytes", kGauge, kQueue, "Bodies of dead letters."},
     [](const QueueStats& q) { return number(q.dead_bytes); }},
    {{"sluice_queue_retained_messages", kGauge, kQueue,
      "Messages that spec.retention keeps, settled or not; 0 without it."},
     [](const QueueStats& q) { return number(q.retained_messages); }},
    {{"sluice_queue_retained_bytes", kGauge, kQueue, "Bodies of these messages."},
     [](const QueueStats& q) { return number(q.retained_bytes); }},
    {{"sluice_queue_publishers", kGauge, kQueue, "Publishers that are connected."},
     [](const QueueStats& q) { return number(q.publishers); }},
    {{"sluice_queue_paused", kGauge, kQueue, "1 while deliveries are paused."},
     [](const QueueStats& q) { return q.config.paused ? 1.0 : 0.0; }},
    {{"sluice_messages_published_total", kCounter, kQueue, "Messages accepted."},
     [](const QueueStats& q) { return number(q.published); }},
    {{"sluice_published_bytes_total", kCounter, kQueue, "Their bodies."},
     [](const QueueStats& q) { return number(q.published_bytes); }},
    {{"sluice_messages_duplicates_suppressed_total", kCounter, kQueue,
      "Messages that were published again and had been stored already."},
     [](const QueueStats& q) { return number(q.duplicates); }},
};

constexpr SimpleMetric<SubscriptionStats> kSubscriptionMetrics[] = {
    {{"sluice_queue_messages_ready", kGauge, kSubscription, "Messages that wait for a consumer."},
     [](const SubscriptionStats& s) { return number(s.ready); }},
    {{"sluice_queue_messages_inflight", kGauge, kSubscription, "Messages that are leased."},
     [](const SubscriptionStats& s) { return number(s.in_flight); }},
    {{"sluice_queue_messages_delayed", kGauge, kSubscription,
      "Messages that are not due yet, by their publisher's wish or after a failure."},
     [](const SubscriptionStats& s) { return number(s.delayed); }},
    {{"sluice_queue_messages_dead_lettered", kGauge, kSubscription, "Dead letters kept."},
     [](const SubscriptionStats& s) { return number(s.dead_lettered); }},
    {{"sluice_queue_dead_letters_inflight", kGauge, kSubscription,
      "Dead letters that a consumer of NAME/dlq has leased."},
     [](const SubscriptionStats& s) { return number(s.dead_in_flight); }},
    {{"sluice_queue_messages_damaged", kGauge, kSubscription,
      "Messages whose bytes the disk has lost: anything but 0 needs a person."},
     [](const SubscriptionStats& s) { return number(s.damaged); }},
    {{"sluice_queue_oldest_message_age_seconds", kGauge, kSubscription,
      "Age of the oldest message that is ready or leased."},
     [](const SubscriptionStats& s) { return s.oldest_age_seconds; }},
    {{"sluice_queue_dead_letters_full", kGauge, kSubscription,
      "1 while nothing is delivered until dead letters leave (deadLetter.overflow: Block)."},
     [](const SubscriptionStats& s) { return s.dead_letters_full ? 1.0 : 0.0; }},
    {{"sluice_queue_consumers", kGauge, kSubscription, "Consumers that are connected."},
     [](const SubscriptionStats& s) { return number(s.consumers); }},
    {{"sluice_messages_delivered_total", kCounter, kSubscription, "Deliveries."},
     [](const SubscriptionStats& s) { return number(s.delivered); }},
    {{"sluice_messages_redelivered_total", kCounter, kSubscription,
      "Deliveries of a message that had been delivered before."},
     [](const SubscriptionStats& s) { return number(s.redelivered); }},
    {{"sluice_messages_acked_total", kCounter, kSubscription, "Messages settled as done."},
     [](const SubscriptionStats& s) { return number(s.acked); }},
    {{"sluice_messages_released_total", kCounter, kSubscription,
      "Messages given back, which counts as no attempt."},
     [](const SubscriptionStats& s) { return number(s.released); }},
    {{"sluice_messages_failed_total", kCounter, kSubscription, "Failed attempts."},
     [](const SubscriptionStats& s) { return number(s.failed); }},
    {{"sluice_messages_rejected_total", kCounter, kSubscription,
      "Messages that a consumer made a dead letter at once."},
     [](const SubscriptionStats& s) { return number(s.rejected); }},
    {{"sluice_messages_stalled_total", kCounter, kSubscription,
      "Leases that ran out or whose consumer vanished."},
     [](const SubscriptionStats& s) { return number(s.stalled); }},
    {{"sluice_messages_expired_total", kCounter, kSubscription, "Messages that expired."},
     [](const SubscriptionStats& s) { return number(s.expired); }},
    {{"sluice_stale_receipts_total", kCounter, kSubscription,
      "Settles that came too late: the lease was somebody else's by then."},
     [](const SubscriptionStats& s) { return number(s.stale_receipts); }},
};

}  // namespace

std::span<const SimpleMetric<ProcessStats>> process_metrics() { return kProcessMetrics; }
std::span<const SimpleMetric<QueueStats>> queue_metrics() { return kQueueMetrics; }
std::span<const SimpleMetric<SubscriptionStats>> subscription_metrics() {
  return kSubscriptionMetrics;
}

}  // namespace sluice::frontend::http
