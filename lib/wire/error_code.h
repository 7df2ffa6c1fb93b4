#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::wire {

// The closed list of errors; docs/protocol.md says for each what it means and what a client does.
// Numbers are never reused. The broker's refusals have the same numbers, so that they pass
// unchanged.
enum class Code : std::uint16_t {
  kNone = 0,
  kMalformed = 1,
  kUnsupportedVersion = 2,
  kNoSession = 3,
  kSessionFenced = 4,
  kUnknownQueue = 5,
  kUnknownSubscription = 6,
  kUnknownShard = 7,
  kStaleShardMap = 8,
  kQueueFull = 9,
  kMessageTooLarge = 10,
  kDiskLow = 11,
  kProducerFenced = 12,
  kProducerGap = 13,
  kUnknownProducer = 14,
  kCreditExceeded = 15,
  kStaleReceipt = 16,
  kUnknownHandle = 17,
  kInvalidArgument = 18,
  kPermissionDenied = 19,
  kTaskRunning = 20,
  kUnknownTask = 21,
  kLimitReached = 22,
  kUnimplemented = 23,
  kShuttingDown = 24,
  kDedupFull = 25,
  kNotReady = 26,
  kStaleLeader = 27,
  kNotEmpty = 28,
};
inline constexpr std::uint16_t kCodesEnd = 29;

// The name for people: "QueueFull"; "Unknown" for a number of a later version.
std::string_view to_string(Code code);

}  // namespace sluice::wire
