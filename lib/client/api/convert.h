#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "sluice/message.h"
#include "sluice/result.h"

// Between the types of the public headers and ours.
namespace sluice::api {

Error to_public(const base::Error& error);
Status to_public(const base::Status& status);

base::Message to_internal(const Message& message);
Message to_public(const base::Message& message);

base::WallTime to_wall(Time time);
Time to_time(base::WallTime time);
inline Time to_time(std::int64_t wall_ms) { return to_time(base::WallTime(wall_ms)); }

}  // namespace sluice::api
