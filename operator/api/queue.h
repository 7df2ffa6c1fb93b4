#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

// The Queue of sluice.dev/v1alpha1 as typed values. Every default of the manifest stands here;
// docs/manifest.md explains each field to users. Plain data: decoding is in queue_decoder.h.
namespace sluice::api {

inline constexpr std::string_view kApiVersion = "sluice.dev/v1alpha1";
inline constexpr std::string_view kQueueKind = "Queue";
inline constexpr std::string_view kDefaultSubscription = "default";
// The annotation "true" of a manifest whose spec an API server has stored, and so checked by its
// schema, which may be newer than this program and have given defaults to fields that are unknown
// here: these are passed over. The operator writes it into what it reads and what it tells brokers;
// in what people write every unknown field is an error.
inline constexpr std::string_view kStoredAnnotation = "sluice.dev/stored";

enum class Fsync : std::uint8_t { kAlways, kInterval, kNever };
enum class Ordering : std::uint8_t { kUnordered, kGrouped };
enum class Overflow : std::uint8_t { kReject, kBlock, kDropOldest, kDeadLetterOldest };
enum class DeadOverflow : std::uint8_t { kDropOldestDead, kBlock };
enum class ExpiryAction : std::uint8_t { kDrop, kDeadLetter };
enum class SubscriptionPolicy : std::uint8_t { kRefuse, kAllowCreate };
enum class RetentionPolicy : std::uint8_t { kUntilSettled, kTime, kSize, kTimeAndSize };
enum class StartPosition : std::uint8_t { kAll, kNew, kSequence, kTime };
enum class DrainTimeoutAction : std::uint8_t { kHold, kProceed };
enum class DeletionPolicy : std::uint8_t { kRetain, kDelete, kDeleteIfEmpty };

struct Durability {
  Fsync fsync = Fsync::kAlways;
  base::Millis interval{100};  // kInterval only
};

struct Backoff {
  base::Millis initial{1'000};
  base::Millis max{300'000};
  double multiplier = 2.0;
  double jitter = 0.2;  // the delay is drawn from [d * (1 - jitter), d]
};

struct Delivery {
  base::Millis lease_duration{30'000};
  base::Millis max_lease{43'200'000};
  std::uint16_t max_attempts = 5;  // 0 = no limit
  std::uint16_t max_stalls = 3;    // 0 = no limit
  Backoff backoff;
};

struct Limits {
  std::uint64_t messages = 1'000'000;
  std::uint64_t bytes = 6ULL << 30;
  std::uint64_t message_bytes = 1ULL << 20;
  Overflow overflow = Overflow::kReject;
};

struct Retention {
  RetentionPolicy policy = RetentionPolicy::kUntilSettled;
  base::Millis time{0};     // kTime and kTimeAndSize
  std::uint64_t bytes = 0;  // kSize and kTimeAndSize
};

struct DeadLetter {
  base::Millis retention{14LL * 24 * 3600 * 1000};  // 0 = for ever
  std::uint64_t bytes = 1ULL << 30;
  std::uint64_t messages = 0;  // 0 = no limit
  DeadOverflow overflow = DeadOverflow::kDropOldestDead;
};

// --- Autoscaling of the consumers: only the operator acts on it.

struct ScaleTargetRef {
  std::string api_version = "apps/v1";
  std::string kind = "Deployment";
  std::string name;
};

// Each that is set gives an answer; the largest wins. None set = kBacklogPerReplicaDefault.
struct ScaleTarget {
  std::optional<std::uint32_t> backlog_per_replica;
  std::optional<base::Millis> oldest_message_age;
  std::optional<base::Millis> drain_within;
};
inline constexpr std::uint32_t kBacklogPerReplicaDefault = 100;

struct ScaleIn {
  base::Millis stabilization{60'000};
  base::Millis idle_before_zero{60'000};
  base::Millis drain_timeout{600'000};
  DrainTimeoutAction on_drain_timeout = DrainTimeoutAction::kHold;
  std::uint32_t max_percent = 50;  // of the replicas, in one step
};

struct Consumers {
  ScaleTargetRef scale_target_ref;
  std::uint32_t min_replicas = 0;
  std::uint32_t max_replicas = 10;
  ScaleTarget target;
  ScaleIn scale_in;
};

struct Subscription {
  std::string name;
  StartPosition start = StartPosition::kAll;
  std::uint64_t start_sequence = 0;  // kSequence
  base::WallTime start_time;         // kTime
  Delivery delivery;
  DeadLetter dead_letter;
  std::optional<Consumers> consumers;
};

// What consumers may create under subscriptionPolicy AllowCreate.
struct CreatedSubscriptions {
  StartPosition start = StartPosition::kAll;  // or kNew
  base::Millis idle_expiry{24LL * 3600 * 1000};
  std::uint16_t max = 16;
};

// --- The broker's pod and volume: only the operator acts on it.

struct Storage {
  // Unset: storage_bytes() derives it.
  std::optional<std::uint64_t> size;
  std::string storage_class_name;  // empty = the cluster's default
};

// Resource -> quantity as written: {"cpu": "500m"}.
struct Resources {
  std::map<std::string, std::string> requests;
  std::map<std::string, std::string> limits;
};

struct BrokerSpec {
  std::string name;     // the queue's name unless given
  std::string version;  // empty = kept as created
  Storage storage;
  Resources resources;
};

// One peer of a NetworkPolicy that may connect; selectors by equal labels only.
struct AccessPeer {
  std::optional<std::map<std::string, std::string>> namespace_labels;
  std::optional<std::map<std::string, std::string>> pod_labels;
};

struct QueueSpec {
  std::uint16_t shards = 1;
  Durability durability;
  Ordering ordering = Ordering::kUnordered;
  base::Millis ttl{0};  // of messages that name none; 0 = none
  ExpiryAction on_expiry = ExpiryAction::kDrop;
  Limits limits;
  Retention retention;
  // Of subscriptions that say nothing else; already applied to `subscriptions`.
  Delivery delivery;
  DeadLetter dead_letter;
  // Never empty: kDefaultSubscription stands here, with spec.consumers, when none is declared.
  std::vector<Subscription> subscriptions;
  SubscriptionPolicy subscription_policy = SubscriptionPolicy::kRefuse;
  CreatedSubscriptions created_subscriptions;
  BrokerSpec broker;
  std::vector<AccessPeer> access_from;
  DeletionPolicy deletion_policy = DeletionPolicy::kRetain;
  bool paused = false;
};

struct Metadata {
  std::string name;
  std::string name_space;  // empty = not said
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
};

struct Queue {
  Metadata metadata;
  QueueSpec spec;
  int line = 0;  // of its document in the file it came from
  // Paths of unknown fields that were passed over (kStoredAnnotation), the first of them.
  std::vector<std::string> passed_over;
};

// The volume's size: as said, else what the limits need and at least 10 GiB. Bodies and dead
// letters may fill at most kStoragePercentMax of it; settles, snapshots and compaction live on the
// rest.
std::uint64_t storage_bytes(const QueueSpec& spec);
inline constexpr std::uint64_t kStoragePercentMax = 80;
// The smallest volume that holds the queue's limits by that rule.
std::uint64_t storage_bytes_needed(const QueueSpec& spec);

}  // namespace sluice::api
