#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace sluice::base {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "InvalidArgument";
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kAlreadyExists:
      return "AlreadyExists";
    case ErrorCode::kFailedPrecondition:
      return "FailedPrecondition";
    case ErrorCode::kResourceExhausted:
      return "ResourceExhausted";
    case ErrorCode::kCorruption:
      return "Corruption";
    case ErrorCode::kUnavailable:
      return "Unavailable";
    case ErrorCode::kDeadlineExceeded:
      return "DeadlineExceeded";
    case ErrorCode::kIo:
      return "Io";
    case ErrorCode::kUnimplemented:
      return "Unimplemented";
    case ErrorCode::kConflict:
      return "Conflict";
    case ErrorCode::kPermissionDenied:
      return "PermissionDenied";
  }
  return "Unknown";
}

std::string Error::to_string() const {
  return std::string(base::to_string(code_)) + ": " + message_;
}

Error Error::with_prefix(std::string_view prefix) const {
  return Error(code_, std::string(prefix) + ": " + message_);
}

Error io_error(std::string_view what, int errno_value) {
  const ErrorCode code = (errno_value == ENOSPC || errno_value == EDQUOT)
                             ? ErrorCode::kResourceExhausted
                         : errno_value == ENOENT ? ErrorCode::kNotFound
                         : errno_value == EEXIST ? ErrorCode::kAlreadyExists
                                                 : ErrorCode::kIo;
  return Error(code, std::string(what) + ": " + std::generic_category().message(errno_value));
}

}  // namespace sluice::base
