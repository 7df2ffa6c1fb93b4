#include <array>
#include <string>
#include <string_view>

#include "storage/fact.h"
#include "storage/fact_codec.h"

namespace sluice::storage {
namespace {

constexpr std::array<std::string_view, 29> kNames = {
    "Padding",         "Incarnation",  "FeatureLevel", "QueueConfigured",
    "QueueDeleted",    "Messages",     "Leased",       "Settled",
    "Released",        "Failed",       "Stalled",      "Dead",
    "Redriven",        "Removed",      "Session",      "Task",
    "Producer",        "MessageChunk", "ExtentSwap",   "DedupIds",
    "Schedule",        "Group",        "Fence",        "Damaged",
    "SegmentsDropped", "Rewound",      "Dropped",      "SubscriptionExpired",
    "Transfer"};

}  // namespace

std::string to_string(RecordType type) {
  const auto number = static_cast<std::size_t>(type);
  if (number < kNames.size() && !kNames[number].empty()) return std::string(kNames[number]);
  return "type " + std::to_string(number);
}

bool is_known(RecordType type) {
  return type <= RecordType::kMessageChunk || type == RecordType::kExtentSwap ||
         type == RecordType::kDamaged || type == RecordType::kSegmentsDropped ||
         type == RecordType::kRewound || type == RecordType::kDropped ||
         type == RecordType::kSubscriptionExpired || type == RecordType::kTransfer;
}

std::string_view to_string(DeadReason reason) {
  switch (reason) {
    case DeadReason::kRejected:
      return "Rejected";
    case DeadReason::kAttemptsExceeded:
      return "AttemptsExceeded";
    case DeadReason::kStallsExceeded:
      return "StallsExceeded";
    case DeadReason::kExpired:
      return "Expired";
    case DeadReason::kOverflow:
      return "Overflow";
  }
  return "Unknown";
}

std::string_view to_string(DamageEvent event) {
  switch (event) {
    case DamageEvent::kFound:
      return "Found";
    case DamageEvent::kDiscarded:
      return "Discarded";
    case DamageEvent::kReadable:
      return "Readable";
  }
  return "Unknown";
}

std::string_view to_string(RemoveCause cause) {
  switch (cause) {
    case RemoveCause::kExpired:
      return "Expired";
    case RemoveCause::kPurged:
      return "Purged";
    case RemoveCause::kOverflow:
      return "Overflow";
    case RemoveCause::kRetention:
      return "Retention";
    case RemoveCause::kSequenceJump:
      return "SequenceJump";
    case RemoveCause::kDeadExpired:
      return "DeadExpired";
    case RemoveCause::kDeadDiscarded:
      return "DeadDiscarded";
    case RemoveCause::kMoved:
      return "Moved";
  }
  return "Unknown";
}

}  // namespace sluice::storage
