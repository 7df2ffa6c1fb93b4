#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::base {

// A separate code exists only where some caller can react to it; everything else is told by the
// message. The wire protocol has its own closed list (wire/error_code.h).
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,     // a flag, field or frame that can never be right
  kNotFound,            // the named thing does not exist
  kAlreadyExists,       // the named thing exists, where a new one was asked for
  kFailedPrecondition,  // right in itself, but not now (locked folder, newer format)
  kResourceExhausted,   // a limit or the disk is full
  kCorruption,          // bytes that should be good are not
  kUnavailable,         // a peer or the network; trying again may help
  kDeadlineExceeded,    // the time allowed ran out
  kIo,                  // the operating system refused a file operation
  kUnimplemented,       // known, but not in this version
  kConflict,            // somebody else changed it meanwhile: read it again, decide again
  kPermissionDenied,    // right in itself, but not for us
};

// The code's name as shown to people: "InvalidArgument".
std::string_view to_string(ErrorCode code);

// What went wrong, for a person: the message names the field and the fix.
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // "Corruption: segment 3: ..."
  std::string to_string() const;

  // The same error with "prefix: " before the message, for callers that know more.
  Error with_prefix(std::string_view prefix) const;

 private:
  ErrorCode code_;
  std::string message_;
};

inline Error invalid_argument(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}
inline Error not_found(std::string message) {
  return Error(ErrorCode::kNotFound, std::move(message));
}
inline Error corruption(std::string message) {
  return Error(ErrorCode::kCorruption, std::move(message));
}
inline Error failed_precondition(std::string message) {
  return Error(ErrorCode::kFailedPrecondition, std::move(message));
}
inline Error unavailable(std::string message) {
  return Error(ErrorCode::kUnavailable, std::move(message));
}
inline Error resource_exhausted(std::string message) {
  return Error(ErrorCode::kResourceExhausted, std::move(message));
}

// A failed system call: `what` says what was tried and on which path. Only a full disk, a missing
// name and a name that is taken have codes of their own; all others are kIo.
Error io_error(std::string_view what, int errno_value);

}  // namespace sluice::base
