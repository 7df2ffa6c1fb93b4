#include "client/refusal.h"

#include <string>

namespace sluice::client {
namespace {

base::ErrorCode to_error_code(wire::Code code) {
  switch (code) {
    case wire::Code::kUnknownQueue:
    case wire::Code::kUnknownSubscription:
    case wire::Code::kUnknownShard:
    case wire::Code::kUnknownTask:
      return base::ErrorCode::kNotFound;
    case wire::Code::kQueueFull:
    case wire::Code::kDiskLow:
    case wire::Code::kCreditExceeded:
    case wire::Code::kLimitReached:
    case wire::Code::kDedupFull:
      return base::ErrorCode::kResourceExhausted;
    case wire::Code::kNoSession:
    case wire::Code::kShuttingDown:
    case wire::Code::kNotReady:
      return base::ErrorCode::kUnavailable;
    case wire::Code::kUnsupportedVersion:
    case wire::Code::kSessionFenced:
    case wire::Code::kStaleShardMap:
    case wire::Code::kProducerFenced:
    case wire::Code::kProducerGap:
    case wire::Code::kUnknownProducer:
    case wire::Code::kStaleReceipt:
    case wire::Code::kUnknownHandle:
    case wire::Code::kPermissionDenied:
    case wire::Code::kTaskRunning:
    case wire::Code::kStaleLeader:
    case wire::Code::kNotEmpty:
      return base::ErrorCode::kFailedPrecondition;
    case wire::Code::kUnimplemented:
      return base::ErrorCode::kUnimplemented;
    case wire::Code::kNone:
    case wire::Code::kMalformed:
    case wire::Code::kMessageTooLarge:
    case wire::Code::kInvalidArgument:
      break;
  }
  return base::ErrorCode::kInvalidArgument;
}

}  // namespace

base::Error to_error(wire::Code code, std::string_view message) {
  std::string text(wire::to_string(code));
  if (text == "Unknown") text += " error " + std::to_string(static_cast<unsigned>(code));
  if (!message.empty()) text.append(": ").append(message);
  return {to_error_code(code), std::move(text)};
}

bool is_unanswered(const base::Error& error) {
  return error.code() == base::ErrorCode::kUnavailable ||
         error.code() == base::ErrorCode::kDeadlineExceeded;
}

bool is_permission_denied(const base::Error& error) {
  return error.message().starts_with(wire::to_string(wire::Code::kPermissionDenied));
}

base::Status to_status(std::uint16_t code, std::string_view message) {
  if (code == 0) return {};
  return to_error(static_cast<wire::Code>(code), message);
}

bool asks_for_patience(wire::Code code) {
  return code == wire::Code::kNotReady || code == wire::Code::kShuttingDown;
}

}  // namespace sluice::client
