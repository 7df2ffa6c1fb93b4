#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

// What is known about one subscription and about what consumes it, as decide() takes it.
namespace sluice::autoscale {

// How many of the queue's shards have told what they hold, lately enough to act on it.
enum class Coverage : std::uint8_t { kNone, kSome, kAll };

// One subscription, its shards added up.
struct Backlog {
  Coverage coverage = Coverage::kNone;
  bool paused = false;  // some shard delivers nothing
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t due_delayed = 0;  // no longer delayed, and not counted as ready yet
  std::optional<base::Millis> oldest_age;
  // Pods that hold messages of it; absent where nobody says.
  std::optional<std::uint32_t> busy_replicas;
  std::optional<std::uint64_t> settled_total;  // absent where nobody counts
  // Another value: settled_total began anew (a broker was restarted).
  std::uint64_t counted_since = 0;

  std::uint64_t work() const { return ready + in_flight + due_delayed; }
};

// What runs the consumers.
struct Replicas {
  std::uint32_t wanted = 0;  // spec.replicas: what was asked for last, by whomever
  std::uint32_t ready = 0;
};

struct Observation {
  Backlog backlog;
  Replicas replicas;
};

// Time that has passed since then. Never negative.
inline base::Millis elapsed(base::MonoTime since, base::MonoTime now) {
  const std::int64_t nanos = now - since;
  return base::Millis(nanos > 0 ? nanos / base::kNanosPerMilli : 0);
}

}  // namespace sluice::autoscale
