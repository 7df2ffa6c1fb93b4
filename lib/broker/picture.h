#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

// What an operator watches of a broker, as plain values: a small part of stats.h, made several
// times a second while somebody watches.
namespace sluice::broker {

// The sessions that take messages of a subscription under one name.
struct ConsumerPicture {
  std::string name;
  std::uint64_t in_flight = 0;
  bool cordoned = false;

  bool operator==(const ConsumerPicture&) const = default;
};

struct SubscriptionPicture {
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t delayed = 0;
  std::uint64_t due_delayed = 0;  // not 0 where the time of some has come
  std::uint64_t dead = 0;
  base::WallTime oldest;      // when the oldest that is ready or in flight was accepted; 0 = none
  std::uint64_t settled = 0;  // acknowledged or rejected, since the start of the process
  std::uint64_t redelivered = 0;
  std::vector<ConsumerPicture> consumers;  // by name
};

struct QueuePicture {
  base::QueueId id;
  std::string name;
  std::uint64_t manifest = 0;  // revision of the one that is in force; whoever applies it knows
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t retained = 0;
  std::uint64_t published = 0;
  std::uint64_t damaged = 0;
  bool paused = false;
  std::vector<SubscriptionPicture> subscriptions;  // by name
};

}  // namespace sluice::broker
