#pragma once

#include <cstdint>
#include <string>

namespace sluice::broker {

// Why a command was refused; the wire's closed error list (docs/protocol.md) has the same numbers,
// so that a refusal is passed on unchanged.
enum class RefusalCode : std::uint16_t {
  kNone = 0,
  kMalformed = 1,  // the frame breaks the protocol
  kUnsupportedVersion = 2,
  kNoSession = 3,      // unknown or expired: say hello again
  kSessionFenced = 4,  // a newer connection of the same session exists
  kUnknownQueue = 5,
  kUnknownSubscription = 6,
  kUnknownShard = 7,
  kStaleShardMap = 8,
  kQueueFull = 9,  // limits with overflow Reject
  kMessageTooLarge = 10,
  kDiskLow = 11,          // no room for new messages; settles go on
  kProducerFenced = 12,   // a newer epoch of the producer id exists
  kProducerGap = 13,      // a sequence is missing: resend from `expected`
  kUnknownProducer = 14,  // its state was forgotten: take a new epoch
  kCreditExceeded = 15,
  kStaleReceipt = 16,   // harmless: the lease is somebody else's or nobody's now
  kUnknownHandle = 17,  // publisher or attachment handle of no meaning here
  kInvalidArgument = 18,
  kPermissionDenied = 19,
  kTaskRunning = 20,  // one redrive a queue at a time
  kUnknownTask = 21,
  kLimitReached = 22,  // sessions, attachments, queues
  kUnimplemented = 23,
  kShuttingDown = 24,
  kDedupFull = 25,
  kNotReady = 26,     // still recovering
  kStaleLeader = 27,  // a leader with a higher epoch has called
  kNotEmpty = 28,     // the queue holds something, and was to be removed if it does not
};

struct Refusal {
  RefusalCode code = RefusalCode::kNone;
  std::string message;  // names the field or thing, and the fix
  bool refused() const { return code != RefusalCode::kNone; }
};

}  // namespace sluice::broker
