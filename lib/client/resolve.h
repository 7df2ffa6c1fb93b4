#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "client/connection.h"
#include "wire/shard_map.h"

namespace sluice::client {

struct ResolvedQueue {
  base::QueueId id;
  std::uint32_t message_bytes_max = 0;
  wire::SlotTable slots;
  std::vector<std::string> subscriptions;
  // Where each shard is; empty = all are at the broker that was asked.
  std::vector<std::string> endpoints;
};

// What a RESOLVED says about the queue of that name.
base::Result<ResolvedQueue> to_resolved_queue(const wire::Resolved& resolved,
                                              std::string_view name);

// Asks the broker what the queue of that name is. NotFound when there is none.
base::Result<ResolvedQueue> resolve_queue(Connection& connection, std::string_view name);

}  // namespace sluice::client
