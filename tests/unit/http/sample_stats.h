#pragma once

#include <cstdint>
#include <string>

#include "frontend/http/process_stats.h"

namespace sluice::test {

// A queue whose numbers are all different and follow from `seed`.
inline broker::QueueStats sample_queue(const std::string& name, std::uint64_t seed) {
  broker::QueueStats queue;
  queue.id.bytes[15] = static_cast<std::uint8_t>(seed);
  queue.name = name;
  queue.config.name = name;
  queue.config.subscriptions.push_back({.name = "default"});
  queue.messages = seed + 1;
  queue.bytes = seed + 2;
  queue.dead_bytes = seed + 3;
  queue.retained_messages = seed + 28;
  queue.retained_bytes = seed + 29;
  queue.publishers = static_cast<std::uint32_t>(seed + 4);
  queue.next_sequence = seed + 5;
  queue.published = seed + 6;
  queue.published_bytes = seed + 7;
  queue.duplicates = seed + 8;
  queue.refused_by_code = {{9, seed + 9}, {11, seed + 10}};
  queue.message_bytes = {{64, 256}, {1, 2, 3}, 1'000};
  broker::SubscriptionStats one;
  one.name = "default";
  one.ready = seed + 11;
  one.in_flight = seed + 12;
  one.delayed = seed + 13;
  one.dead_lettered = seed + 14;
  one.dead_in_flight = seed + 31;
  one.damaged = seed + 15;
  one.oldest_age_seconds = static_cast<double>(seed) + 0.5;
  one.consumers = static_cast<std::uint32_t>(seed + 16);
  one.consumer_names = {"worker-0"};
  one.delivered = seed + 17;
  one.redelivered = seed + 18;
  one.acked = seed + 19;
  one.released = seed + 20;
  one.failed = seed + 21;
  one.rejected = seed + 22;
  one.stalled = seed + 23;
  one.expired = seed + 24;
  one.stale_receipts = seed + 25;
  one.dead_by_reason = {{storage::DeadReason::kRejected, seed + 26}};
  one.removed_by_cause = {{storage::RemoveCause::kOverflow, seed + 27}};
  one.end_to_end_seconds = {{0.001, 1}, {4, 5, 6}, 12.5};
  one.processing_seconds = {{0.001, 1}, {7, 8, 9}, 20.25};
  queue.subscriptions.push_back(one);
  broker::TaskStats task;
  task.id.bytes[15] = static_cast<std::uint8_t>(seed);
  task.subscription = "default";
  task.dead_letters = true;
  task.target = "parked";
  task.waits_for = "queue parked is full";
  task.rate_per_second_max = static_cast<std::uint32_t>(seed + 28);
  task.matched = seed + 30;
  task.done = seed + 29;
  queue.tasks.push_back(task);
  return queue;
}

inline frontend::http::ProcessStats sample_stats() {
  frontend::http::ProcessStats stats;
  stats.taken_at = base::WallTime(1'772'357'400'250);
  stats.broker.incarnation = 3;
  stats.broker.log_id.bytes[0] = 0xAB;
  stats.broker.sessions = 5;
  stats.broker.queues = {sample_queue("invoices", 100), sample_queue("orders", 200)};
  stats.storage.segments = 4;
  stats.storage.log_bytes = 256ULL << 20;
  stats.storage.log_bytes_limit = 1ULL << 30;
  stats.storage.disk_free_bytes = 5ULL << 30;
  stats.storage.disk_bytes = 20ULL << 30;
  stats.storage.low_mark_bytes = 1ULL << 30;
  stats.storage.snapshot_age_seconds = 12.5;
  stats.storage.scrub_bytes = 1 << 20;
  stats.storage.scrub_age_seconds = 3'600;
  stats.storage.snapshots = 2;
  stats.storage.appended_bytes = 1'000'000;
  stats.storage.fsyncs = 77;
  stats.storage.fsync_seconds = {{0.001, 0.01}, {70, 6, 1}, 0.125};
  stats.storage.recovery_seconds = 0.75;
  stats.storage.recovered_records = 4'000;
  stats.transport.connections = 6;
  stats.transport.connections_opened = 16;
  stats.transport.connections_closed = 10;
  stats.transport.frames_received = 1'234;
  stats.transport.frames_sent = 2'345;
  stats.transport.frames_refused_by_code = {{5, 2}, {9, 8}};
  stats.transport.gatekeeper_answers = true;
  stats.transport.handshake_failures_by_reason = {{"auth", 1}};
  stats.resources = {.resident_bytes = 12'000'000,
                     .open_fds = 20,
                     .max_fds = 1'024,
                     .cpu_seconds = 1.5,
                     .start_seconds = 1'772'350'000.25};
  stats.build = {.version = "0.1.0", .revision = "abc1234"};
  return stats;
}

}  // namespace sluice::test
