#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "broker/command.h"
#include "broker/config.h"
#include "broker/histogram.h"
#include "broker/stats.h"
#include "broker/stream.h"

namespace sluice::broker {

// Where new subscriptions begin, for each shard.
using Begins = std::map<base::SubscriptionId, std::vector<base::Sequence>>;

// What the log says about a queue: its configuration and the numbers of its subscriptions.
struct StoredConfig {
  QueueConfig config;
  std::vector<base::SubscriptionId> ids;  // of config.subscriptions, in the same order
  base::SubscriptionId next_id{1};        // never given before
  // Of those that are new with this change and begin at a sequence or a time; not kept.
  Begins begins;
};

// Counters since the start of the process; not in the log.
struct SubscriptionTotals {
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
  Histogram end_to_end_seconds = Histogram::of_seconds();
  Histogram processing_seconds = Histogram::of_seconds();
};
struct QueueTotals {
  std::uint64_t published = 0;
  std::uint64_t published_bytes = 0;
  std::uint64_t duplicates = 0;
  std::map<std::uint16_t, std::uint64_t> refused_by_code;
  Histogram message_bytes = Histogram::of_bytes();
};

// A queue: configuration and streams. Owned by State; loop thread only.
class Queue {
 public:
  // Numbers for streams and subscriptions are drawn from `numbers`.
  Queue(const base::QueueId& id, std::uint64_t revision, StoredConfig stored,
        std::uint64_t& numbers, const SideBooks& side);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  const base::QueueId& id() const { return id_; }
  const std::string& name() const { return stored_.config.name; }
  std::uint64_t revision() const { return revision_; }
  const QueueConfig& config() const { return stored_.config; }
  const StoredConfig& stored() const { return stored_; }
  bool syncs() const { return stored_.config.fsync == FsyncPolicy::kAlways; }

  // A new revision. Subscriptions that it no longer has are removed; REQUIRES: without leases.
  void configure(std::uint64_t revision, StoredConfig stored, std::uint64_t& numbers);

  // nullptr = no such shard.
  Stream* stream(base::ShardIndex shard) const;
  const std::vector<std::unique_ptr<Stream>>& streams() const { return streams_; }
  std::optional<base::SubscriptionId> find_subscription(std::string_view name) const;
  bool has_subscription(base::SubscriptionId id) const;
  // REQUIRES: a subscription of this queue.
  const SubscriptionConfig& settings(base::SubscriptionId id) const;
  SubscriptionTotals& totals(base::SubscriptionId id) { return subscription_totals_[id]; }
  QueueTotals& totals() { return totals_; }
  // "a, b, c"
  std::string subscription_names() const;

  // Over all shards.
  std::uint64_t messages() const;
  std::uint64_t bytes() const;
  std::uint64_t dead_bytes(base::SubscriptionId id) const;
  std::uint64_t dead_messages(base::SubscriptionId id) const;
  // Of what `retention` keeps, settled or not; 0 where there is none.
  std::uint64_t retained_messages() const;
  std::uint64_t retained_bytes() const;

  // Volatile: who publishes here, and whose credit is short of a full window.
  std::set<PublisherHandle> publishers;
  std::set<PublisherHandle> short_of_credit;

 private:
  const base::QueueId id_;
  std::uint64_t revision_;
  StoredConfig stored_;
  std::vector<std::unique_ptr<Stream>> streams_;  // by shard
  std::map<base::SubscriptionId, SubscriptionTotals> subscription_totals_;
  QueueTotals totals_;

  void add_subscriptions(const std::vector<base::SubscriptionId>& before, std::uint64_t& numbers);
};

}  // namespace sluice::broker
