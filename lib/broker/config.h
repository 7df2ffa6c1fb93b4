#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace sluice::broker {

enum class FsyncPolicy : std::uint8_t { kAlways = 0, kInterval = 1, kNever = 2 };
enum class Ordering : std::uint8_t { kUnordered = 0, kGrouped = 1 };
enum class Overflow : std::uint8_t {
  kReject = 0,
  kBlock = 1,
  kDropOldest = 2,
  kDeadLetterOldest = 3,
};
enum class DeadOverflow : std::uint8_t { kDropOldestDead = 0, kBlock = 1 };
enum class StartPosition : std::uint8_t { kAll = 0, kNew = 1, kSequence = 2, kTime = 3 };
enum class ExpiryAction : std::uint8_t { kDrop = 0, kDeadLetter = 1 };

struct BackoffConfig {
  base::Millis initial{1'000};
  base::Millis max{300'000};
  double multiplier = 2.0;
  double jitter = 0.2;  // 0..1: the delay is drawn from [d * (1 - jitter), d]
};

struct DeliveryConfig {
  base::Millis lease{30'000};  // 0..12 h
  base::Millis max_lease{43'200'000};
  std::uint16_t max_attempts = 5;  // 0 = no limit
  std::uint16_t max_stalls = 3;    // 0 = no limit
  BackoffConfig backoff;
};

struct DeadLetterConfig {
  base::Millis retention{14LL * 24 * 3600 * 1000};
  std::uint64_t bytes_max = 1ULL << 30;
  std::uint64_t messages_max = 0;  // 0 = no limit
  DeadOverflow overflow = DeadOverflow::kDropOldestDead;
};

struct LimitsConfig {
  std::uint64_t messages_max = 1'000'000;
  std::uint64_t bytes_max = 6ULL << 30;
  std::uint32_t message_bytes_max = 1U << 20;
  Overflow overflow = Overflow::kReject;
};

struct SubscriptionConfig {
  std::string name;
  StartPosition start = StartPosition::kAll;
  std::uint64_t start_at = 0;  // kSequence: a sequence, kTime: wall ms
  DeliveryConfig delivery;
  DeadLetterConfig dead_letter;
  bool created = false;  // by a consumer (subscriptionPolicy: AllowCreate), not declared
};

// What becomes of consumers that name a subscription which nobody declared.
struct CreatedConfig {
  bool allowed = false;                          // they create it
  base::Millis idle_expiry{24LL * 3600 * 1000};  // it goes when nobody used it for so long
  std::uint16_t max = 16;                        // of the queue, at a time
  SubscriptionConfig defaults;                   // of those that are created; without a name
};

// How long messages are kept for replay although every subscription has settled them. Neither is
// set = not at all; both = whichever is reached first.
struct RetentionConfig {
  base::Millis time{0};     // since they were accepted; 0 = no limit by time
  std::uint64_t bytes = 0;  // bodies of all that is kept; 0 = no limit by size

  bool keeps() const { return time.count() > 0 || bytes > 0; }
};

inline constexpr std::uint16_t kShardsMax = 64;

// One queue as its broker runs it. Values are already validated (operator/api does that for
// manifests). A `ttl` of 0 is none.
struct QueueConfig {
  std::string name;
  std::uint16_t shards = 1;  // 1..64
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  base::Millis fsync_interval{100};
  Ordering ordering = Ordering::kUnordered;
  base::Millis ttl{0};  // of messages that name none
  ExpiryAction expiry_action = ExpiryAction::kDrop;
  LimitsConfig limits;
  RetentionConfig retention;
  // Never empty: `default` stands here when the manifest declares none.
  std::vector<SubscriptionConfig> subscriptions;
  CreatedConfig created;
  bool paused = false;  // deliveries only
};

}  // namespace sluice::broker
