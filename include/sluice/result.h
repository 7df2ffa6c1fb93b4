#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "sluice/export.h"

namespace sluice {

/// What kind of error it is, as far as a program can react to it. The message says the rest.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,     ///< can never be right; do not repeat it
  kNotFound,            ///< there is no such queue, subscription or task
  kAlreadyExists,       ///< there is one already
  kFailedPrecondition,  ///< right in itself, but not now: closed, fenced, not permitted
  kResourceExhausted,   ///< a queue, a disk or a buffer is full; later may help
  kCorruption,          ///< bytes that should be good are not
  kUnavailable,         ///< no broker, or none that is ready; trying again may help
  kDeadlineExceeded,    ///< the time allowed ran out
  kIo,                  ///< the operating system refused something
  kUnimplemented,       ///< known, but not in this version
};

/// "NotFound".
SLUICE_EXPORT std::string_view to_string(ErrorCode code);

/// What went wrong: a code for the program and a sentence for people.
class Error {
 public:
  /// An error of that kind.
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  /// The kind.
  ErrorCode code() const { return code_; }
  /// The sentence; where the broker refused something it begins with the name of the refusal in
  /// docs/protocol.md ("QueueFull: ...").
  const std::string& message() const { return message_; }
  /// "ResourceExhausted: QueueFull: the queue 'orders' ...".
  std::string to_string() const { return std::string(sluice::to_string(code_)) + ": " + message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

namespace detail {

/// Says on standard error what is missing, and ends the process. `error`: why there is no value;
/// nullptr where an error was asked for.
[[noreturn]] SLUICE_EXPORT void end_of_bad_access(const Error* error);

}  // namespace detail

/// A value or an Error. The library throws nothing of its own; asking for a value that is not there
/// ends the process, after the error was written to standard error.
template <typename T>
class [[nodiscard]] Result {
 public:
  /// A value.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT
  /// An error.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  /// True when there is a value.
  bool has_value() const { return state_.index() == 0; }
  /// The same.
  explicit operator bool() const { return has_value(); }

  /// The value, which must be there.
  T& value() & {
    check_value();
    return *std::get_if<0>(&state_);
  }
  /// The value, which must be there.
  const T& value() const& {
    check_value();
    return *std::get_if<0>(&state_);
  }
  /// The value, which must be there.
  T&& value() && {
    check_value();
    return std::move(*std::get_if<0>(&state_));
  }
  /// The value, which must be there.
  T& operator*() & { return value(); }
  /// The value, which must be there.
  const T& operator*() const& { return value(); }
  /// The value, which must be there.
  T&& operator*() && { return std::move(*this).value(); }
  /// The value, which must be there.
  T* operator->() { return &value(); }
  /// The value, which must be there.
  const T* operator->() const { return &value(); }

  /// The error, which must be there.
  const Error& error() const {
    if (has_value()) detail::end_of_bad_access(nullptr);
    return *std::get_if<1>(&state_);
  }

 private:
  void check_value() const {
    if (!has_value()) detail::end_of_bad_access(&error());
  }

  std::variant<T, Error> state_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  /// Success.
  Result() = default;
  /// An error.
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  /// True when it succeeded.
  bool has_value() const { return !error_.has_value(); }
  /// The same.
  explicit operator bool() const { return has_value(); }
  /// The error, which must be there.
  const Error& error() const {
    if (!error_) detail::end_of_bad_access(nullptr);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

/// Success or an Error.
using Status = Result<void>;

}  // namespace sluice
