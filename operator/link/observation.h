#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

// What a broker tells the operator about itself, over its control port. Plain values; all numbers
// are one shard's: who has a queue of several shards adds them up.
namespace sluice::link {

// The sessions that take messages of a subscription under one name. Who is on several subscriptions
// is in each.
struct ConsumerObservation {
  std::string name;  // as in its HELLO: "POD" or "POD/rest"
  std::uint64_t in_flight = 0;
  bool cordoned = false;

  bool operator==(const ConsumerObservation&) const = default;
};

struct SubscriptionObservation {
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;  // messages, not counting dead letters that somebody has leased
  std::uint64_t delayed = 0;    // deliver-at in the future, or in backoff
  // Not 0 where the time of some of `delayed` has come. The broker's next tick makes those ready,
  // so it is mostly 0, and says only that there are some.
  std::uint64_t due_delayed = 0;
  std::uint64_t dead = 0;
  std::optional<base::Millis> oldest_age;  // of the oldest that is ready or in flight
  // Since the start of the broker's process: another `incarnation` counts anew.
  std::uint64_t settled_total = 0;
  std::uint64_t redelivered_total = 0;
  std::vector<ConsumerObservation> consumers;  // by name

  bool operator==(const SubscriptionObservation&) const = default;
};

struct QueueObservation {
  std::string name;
  // Of the manifest that is in force: manifest_revision() of its text. 0 = the queue is in the
  // broker's log, and no manifest was applied to it since the broker's start.
  std::uint64_t revision = 0;
  std::uint64_t messages = 0;  // not yet settled by all subscriptions, dead letters not counted
  std::uint64_t bytes = 0;     // their bodies
  std::uint64_t retained = 0;  // messages that `retention` keeps, settled or not
  std::uint64_t published_total = 0;  // since the start of the broker's process
  std::uint64_t damaged = 0;
  bool paused = false;
  std::vector<SubscriptionObservation> subscriptions;  // by name

  bool operator==(const QueueObservation&) const = default;
};

struct BrokerObservation {
  // When it came in, by the operator's own clock; the ages in it are as of then.
  base::MonoTime received_at;
  std::uint64_t revision = 0;  // rises with every change of the configuration
  std::uint64_t leader_epoch =
      0;  // the highest that a control call has shown, also before a restart
  std::uint32_t incarnation = 0;  // rises with each start of the broker
  std::string version;
  std::uint64_t log_feature_level = 0;
  std::uint64_t disk_used_bytes = 0;  // by the log
  std::uint64_t disk_free_bytes = 0;  // for new messages, on the volume of the log
  bool disk_low = false;              // new messages are refused
  // Two while the broker's key is being changed, 0 without keys; and how many sessions are still on
  // the ports of the key that is left (docs/access.md, "Another key for the broker").
  std::uint32_t server_keys = 0;
  std::uint64_t sessions_to_move = 0;
  std::vector<QueueObservation> queues;  // by name

  bool operator==(const BrokerObservation&) const = default;
};

}  // namespace sluice::link
