#include "wire/error_code.h"

#include <array>
#include <cstddef>

namespace sluice::wire {
namespace {

constexpr std::array<std::string_view, kCodesEnd> kNames = {
    "None",
    "Malformed",
    "UnsupportedVersion",
    "NoSession",
    "SessionFenced",
    "UnknownQueue",
    "UnknownSubscription",
    "UnknownShard",
    "StaleShardMap",
    "QueueFull",
    "MessageTooLarge",
    "DiskLow",
    "ProducerFenced",
    "ProducerGap",
    "UnknownProducer",
    "CreditExceeded",
    "StaleReceipt",
    "UnknownHandle",
    "InvalidArgument",
    "PermissionDenied",
    "TaskRunning",
    "UnknownTask",
    "LimitReached",
    "Unimplemented",
    "ShuttingDown",
    "DedupFull",
    "NotReady",
    "StaleLeader",
    "NotEmpty",
};

}  // namespace

std::string_view to_string(Code code) {
  const auto number = static_cast<std::size_t>(code);
  return number < kNames.size() ? kNames[number] : "Unknown";
}

}  // namespace sluice::wire
