#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

// Frames of the control port that need feature bit 6 (docs/protocol.md, "Control port only").
namespace sluice::wire {

inline constexpr std::uint16_t kChangesMax = 4096;  // in one CHANGES

// Asks for CHANGES until the next WATCH, or the end of the connection.
struct Watch {
  std::uint32_t interval_ms = 0;  // 0 = no more
};

enum class ChangeKind : std::uint8_t {
  kQueue = 1,
  kSubscription = 2,
  kConsumer = 3,
  kQueueGone = 4,
  kSubscriptionGone = 5,
  kConsumerGone = 6,
};
// What CHANGES tells about. A subscription belongs to the queue that stands before it, a consumer
// to the subscription.
struct QueueChange {
  std::string_view name;
  std::uint64_t revision = 0;  // of the manifest that is in force; 0 = none
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t retained = 0;
  std::uint64_t published = 0;
  std::uint64_t damaged = 0;
  bool paused = false;
};
struct SubscriptionChange {
  std::string_view name;
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;
  std::uint64_t due_delayed = 0;
  std::uint64_t dead = 0;
  std::int64_t oldest_ms = 0;  // wall ms, when the oldest one was accepted; 0 = there is none
  std::uint64_t settled = 0;
  std::uint64_t redelivered = 0;
};
struct ConsumerChange {
  std::string_view name;
  std::uint64_t in_flight = 0;
  bool cordoned = false;
};
struct GoneChange {
  ChangeKind kind = ChangeKind::kQueueGone;  // one of the last three
  std::string_view name;
};
using Change = std::variant<QueueChange, SubscriptionChange, ConsumerChange, GoneChange>;

// One page of an observation.
struct Changes {
  std::uint64_t observation = 0;  // since WATCH; the first one is whole
  bool last = true;               // page of this observation
  std::uint64_t revision = 0;
  std::uint64_t leader_epoch = 0;  // the highest that a control call has shown
  std::int64_t now_ms = 0;         // the broker's wall clock
  std::uint32_t log_feature_level = 0;
  std::uint64_t disk_used_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  bool disk_low = false;
  std::uint32_t server_keys = 0;
  std::uint64_t sessions_to_move = 0;
  std::vector<Change> changes;
};

struct RemoveQueue {
  std::uint64_t leader_epoch = 0;
  std::string_view queue;
  bool if_empty = false;
};
struct QueueRemoved {
  std::uint16_t code = 0;
  std::string_view message;
  // What it held, also where it was refused for that.
  std::uint64_t messages = 0;
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;
  std::uint64_t dead = 0;
  std::uint64_t retained = 0;
};

}  // namespace sluice::wire
