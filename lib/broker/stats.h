#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/config.h"
#include "storage/fact.h"

// An immutable picture of the broker for metrics, the HTTP API and `sluice stat`.
namespace sluice::broker {

// Upper bounds in `bounds`, one more count than bounds (the last is +Inf); sums in the unit of the
// bounds.
struct HistogramStats {
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;
  double sum = 0;
};

struct SubscriptionStats {
  std::string name;
  base::SubscriptionId id;
  bool created = false;     // by a consumer, not declared
  double idle_seconds = 0;  // of a created one: since nobody uses it
  // Gauges, in messages. lag = ready + in flight + delayed.
  std::uint64_t ready = 0;
  std::uint64_t dead_in_flight = 0;  // dead letters that somebody has leased
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;  // deliver-at in the future, and backoff
  std::uint64_t dead_lettered = 0;
  std::uint64_t damaged = 0;
  double oldest_age_seconds = 0;  // of the oldest message that is ready or in flight
  // Nothing is delivered until dead letters leave (deadLetter.overflow: Block).
  bool dead_letters_full = false;
  std::uint32_t consumers = 0;
  std::vector<std::string> consumer_names;  // at most 100
  // Counters since the start of the process.
  std::uint64_t delivered = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;
  std::uint64_t released = 0;
  std::uint64_t failed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t stalled = 0;
  std::uint64_t expired = 0;
  std::uint64_t stale_receipts = 0;
  std::map<storage::DeadReason, std::uint64_t> dead_by_reason;
  std::map<storage::RemoveCause, std::uint64_t> removed_by_cause;
  HistogramStats end_to_end_seconds;  // accepted -> first delivery
  HistogramStats processing_seconds;  // delivery -> ack
};

// A task that runs, or ended since the start of the process.
struct TaskStats {
  base::TaskId id;
  storage::TaskKind kind = storage::TaskKind::kRedrive;
  storage::TaskState state = storage::TaskState::kRunning;
  std::string subscription;  // empty = all of the queue's
  bool dead_letters = false;
  std::string target;                     // of a copy or move
  std::string waits_for;                  // why it does not go on
  std::uint32_t rate_per_second_max = 0;  // 0 = no limit
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
};

struct QueueStats {
  base::QueueId id;
  std::string name;
  QueueConfig config;
  std::uint64_t messages = 0;  // not yet settled by all subscriptions, dead letters not counted
  std::uint64_t bytes = 0;     // their bodies
  std::uint64_t dead_bytes = 0;
  std::uint64_t retained_messages = 0;  // that `retention` keeps, settled or not
  std::uint64_t retained_bytes = 0;
  std::uint32_t publishers = 0;
  std::uint64_t next_sequence = 0;  // of shard 0
  std::uint64_t published = 0;      // counters
  std::uint64_t published_bytes = 0;
  std::uint64_t duplicates = 0;
  std::map<std::uint16_t, std::uint64_t> refused_by_code;  // RefusalCode
  HistogramStats message_bytes;
  std::vector<SubscriptionStats> subscriptions;
  std::vector<TaskStats> tasks;  // running ones first, then the latest that ended
};

struct BrokerStats {
  std::uint32_t incarnation = 0;
  base::Id128 log_id;
  std::uint32_t sessions = 0;
  std::vector<QueueStats> queues;  // sorted by name
};

}  // namespace sluice::broker
