#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "broker/lease_book.h"
#include "broker/producer_table.h"
#include "broker/queue.h"
#include "broker/replay_index.h"
#include "broker/task_plan.h"
#include "storage/fact.h"

namespace sluice::broker {

struct KnownSession {
  std::uint32_t epoch = 0;
  std::string client;
};

// Everything that the log says: changed by facts only (apply_fact.h), the same ones when they are
// decided and when they are replayed, so that both give the same state. What belongs to a process
// only (handles, credit, timers on the monotonic clock) is in Core, or is marked as derived.
struct State {
  // `index` must outlive the state.
  State(std::uint32_t producers_max, storage::SideIndex& index)
      : replay_index(index), producers(producers_max), side{replay_index, backoff_clock} {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::uint32_t incarnation = 0;  // of the latest start
  base::Id128 log_id;
  BackoffClock backoff_clock;  // derived
  ReplayIndex replay_index;    // in front of the index; Core ends the replay
  LeaseBook leases;            // before the queues, whose subscriptions it points to
  std::map<base::QueueId, std::unique_ptr<Queue>> queues;
  ProducerTable producers;
  const SideBooks side;
  // What begins with one of these keys belongs to nobody any more, and leaves the index in slices.
  std::deque<SideKey> leaving;
  std::map<base::SessionId, KnownSession> sessions;
  std::map<base::TaskId, Task> tasks;
  // What the batch that follows in the log transfers; not in snapshots, which never part the two.
  std::optional<storage::TransferFact> transfer;
  std::uint64_t revivals = 0;  // how often settled messages were wanted again; in this process
  std::uint64_t numbers = 0;   // drawn by streams and subscriptions; not in the log

  // nullptr where there is none.
  Queue* queue(const base::QueueId& id) const;
  Queue* queue(std::string_view name) const;
  Stream* stream(const storage::StreamId& id) const;
  Subscription* subscription(const storage::SubscriptionKey& key) const;
};

}  // namespace sluice::broker
