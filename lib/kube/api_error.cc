#include "kube/api_error.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kube/json_reader.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kMessageBytesMax = 2'000;

base::ErrorCode code_of(int http_status, std::string_view reason) {
  using base::ErrorCode;
  switch (http_status) {
    case 401:
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return reason == "AlreadyExists" ? ErrorCode::kAlreadyExists : ErrorCode::kConflict;
    case 410:
    case 412:
      return ErrorCode::kConflict;
    case 408:
      return ErrorCode::kDeadlineExceeded;
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return http_status >= 400 && http_status < 500 ? ErrorCode::kInvalidArgument
                                                     : ErrorCode::kUnavailable;
  }
}

// A proxy's page is no message for a person; its first line may be.
std::string first_line(std::string_view body) {
  const std::size_t end = std::min(body.find_first_of("\r\n"), std::size_t{200});
  std::string line(body.substr(0, end));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return line;
}

}  // namespace

std::string reason_of_status(std::string_view body) {
  const auto status = read_json(body);
  return status.has_value() && status->is_object() ? text_in(*status, "reason") : "";
}

base::Error error_of(int http_status, std::string_view body) {
  const auto status = read_json(body);
  std::string message;
  std::string reason;
  if (status.has_value() && status->is_object()) {
    reason = text_in(*status, "reason");
    message = text_in(*status, "message");
  } else {
    message = first_line(body);
  }
  if (message.empty()) message = "no reason given";
  if (message.size() > kMessageBytesMax) message = message.substr(0, kMessageBytesMax) + " ...";
  message += " (HTTP " + std::to_string(http_status);
  if (!reason.empty()) message += ", " + reason;
  message += ")";
  return base::Error(code_of(http_status, reason), std::move(message));
}

}  // namespace sluice::kube
