#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "base/time.h"
#include "broker/core.h"

// What becomes of leased messages that were not acknowledged. Each function writes the facts; none
// takes more than the ranges that it is given. A message whose time ran out while it was leased
// expires here instead of being delivered again.
namespace sluice::broker {

// Ready again at once, not counted.
void give_back(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
               storage::ReleaseCause cause);

struct Failure {
  std::string error;
  std::string consumer;
  std::optional<base::Millis> delay;  // instead of the backoff
};
// attempts + 1: delivered again later, or dead when that were too many.
void fail(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
          const Failure& failure);

// stalls + 1 for `ranges` of the lease. Dead is only a message that was delivered as a suspect,
// alone in its batch.
void stall(Core& core, base::Now now, const Lease& lease, const Ranges& ranges,
           const std::string& consumer);

// Dead letters, whatever the counters say.
struct Death {
  storage::DeadReason reason = storage::DeadReason::kRejected;
  std::string error;
  std::string consumer;
};
void kill(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges,
          const Death& death);

// Their time ran out: dropped or dead, as the queue says.
void expire(Core& core, base::Now now, Subscription& subscription, const Ranges& ranges);

// Never delivered again by this subscription, and counted by cause.
void remove(Core& core, Subscription& subscription, storage::RemoveCause cause,
            const Ranges& ranges);

// How many entries of the side index know something of the messages of `range`, at most: what
// removing them costs, as all others leave with their run.
std::uint64_t entries_in(const Subscription& subscription, base::SequenceRange range);

// True while deadLetter.overflow Block holds the subscription's deliveries back.
bool dead_letters_full(const Queue& queue, base::SubscriptionId id);

// Removes the oldest dead letters that nobody has leased, until the subscription is within its
// limits; not where deadLetter.overflow is Block. At most kTrimmedPerStep at once: ticks go
// on.
inline constexpr std::uint64_t kTrimmedPerStep = 256;
void trim_dead_letters(Core& core, Queue& queue, base::SubscriptionId id);

// Writes a fact that has `ranges`, in as many records as that takes.
template <typename Fact>
void record_ranges(Core& core, Subscription& subscription, Fact fact, const Ranges& ranges) {
  constexpr std::size_t kRangesPerFact = 2048;
  for (std::size_t at = 0; at < ranges.size(); at += kRangesPerFact) {
    const std::size_t end = std::min(ranges.size(), at + kRangesPerFact);
    fact.ranges.assign(ranges.begin() + static_cast<std::ptrdiff_t>(at),
                       ranges.begin() + static_cast<std::ptrdiff_t>(end));
    core.record(subscription, fact);
  }
}

// How long to wait after the `count`th failure or stall (from 1).
base::Millis backoff_delay(const BackoffConfig& config, std::uint32_t count, base::Prng& prng);

}  // namespace sluice::broker
