#pragma once

#include <cstdint>

namespace sluice::storage {

// What a log record says. docs/log-format.md holds the byte tables. The log holds facts, not
// commands: replay decides nothing. Numbers are never reused; an unknown type below 128 at open
// means the log was written by a newer version (refused, untouched), from 128 on it is skipped.
enum class RecordType : std::uint8_t {
  kPadding = 0,          // fills the rest of a segment
  kIncarnation = 1,      // a broker start; written and committed before it answers anyone
  kFeatureLevel = 2,     // records of later versions may follow
  kQueueConfigured = 3,  // creation or change of a queue, whole configuration
  kQueueDeleted = 4,
  kMessages = 5,       // a batch of published messages
  kLeased = 6,         // a delivery batch was handed to a session
  kSettled = 7,        // acked for good
  kReleased = 8,       // given back, not counted
  kFailed = 9,         // failed deliveries: counter, due time, error
  kStalled = 10,       // leases that ran out or whose consumer vanished
  kDead = 11,          // a subscription gave up on messages
  kRedriven = 12,      // dead letters returned to their subscription
  kRemoved = 13,       // expired, purged, dropped by a limit, or a jump of sequences
  kSession = 14,       // a session was opened or closed
  kTask = 15,          // state of a durable task (redrive, purge, copy, move)
  kProducer = 16,      // a producer took a new epoch
  kMessageChunk = 17,  // a piece of a message that is too large for one record
  // Named in docs/log-format.md; those without a word here are written by later versions.
  kExtentSwap = 18,  // written by storage itself and never seen above it
  kDedupIds = 19,
  kSchedule = 20,
  kGroup = 21,
  kFence = 22,
  kDamaged = 23,  // messages that cannot be read, and what a command made of them
  // Written by storage itself and never seen above it.
  kSegmentsDropped = 24,
  kRewound = 25,              // settled messages that a subscription wants once more (seek)
  kDropped = 26,              // messages that a queue's retention keeps no longer
  kSubscriptionExpired = 27,  // one that a consumer had created and nobody used
  kTransfer = 28,             // what the next messages record copies or moves from elsewhere
};

}  // namespace sluice::storage
