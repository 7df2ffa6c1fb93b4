#include "client/api/convert.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sluice {

std::string_view to_string(ErrorCode code) {
  return base::to_string(static_cast<base::ErrorCode>(code));
}

void detail::end_of_bad_access(const Error* error) {
  if (error == nullptr) {
    std::fputs("sluice: error() of a Result that has none\n", stderr);
  } else {
    std::fprintf(stderr, "sluice: value() of a Result that has none: %s\n",
                 error->to_string().c_str());
  }
  std::abort();
}

namespace api {

// The public codes have the numbers of ours.
static_assert(static_cast<int>(ErrorCode::kInvalidArgument) ==
              static_cast<int>(base::ErrorCode::kInvalidArgument));
static_assert(static_cast<int>(ErrorCode::kResourceExhausted) ==
              static_cast<int>(base::ErrorCode::kResourceExhausted));
static_assert(static_cast<int>(ErrorCode::kUnimplemented) ==
              static_cast<int>(base::ErrorCode::kUnimplemented));

Error to_public(const base::Error& error) {
  return {static_cast<ErrorCode>(error.code()), error.message()};
}

Status to_public(const base::Status& status) {
  if (status.has_value()) return {};
  return to_public(status.error());
}

base::WallTime to_wall(Time time) {
  return base::WallTime(std::chrono::duration_cast<base::Millis>(time.time_since_epoch()).count());
}

Time to_time(base::WallTime time) { return Time(base::Millis(time.value())); }

base::Message to_internal(const Message& message) {
  base::Message out;
  out.body = message.body();
  out.key = message.key();
  out.group = message.group();
  out.dedup_id = message.dedup_id();
  out.headers = message.headers();
  if (message.priority()) out.priority = *message.priority();
  if (message.deliver_at()) out.deliver_at = to_wall(*message.deliver_at());
  if (message.expires_at()) out.expires_at = to_wall(*message.expires_at());
  return out;
}

Message to_public(const base::Message& message) {
  Message out(message.body);
  out.key(message.key).group(message.group).dedup_id(message.dedup_id);
  for (const auto& [name, value] : message.headers) out.header(name, value);
  if (message.priority != base::kPriorityUnset) out.priority(message.priority);
  if (message.deliver_at.value() != 0) out.deliver_at(to_time(message.deliver_at));
  if (message.expires_at.value() != 0) out.expires_at(to_time(message.expires_at));
  return out;
}

}  // namespace api
}  // namespace sluice
