#include "client/resolve.h"

#include <algorithm>

#include "client/refusal.h"

namespace sluice::client {

base::Result<ResolvedQueue> resolve_queue(Connection& connection, std::string_view name) {
  if (name.empty() || name.size() > wire::kNameBytesMax) {
    return base::invalid_argument("a queue's name has 1 to 253 characters");
  }
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection.request(wire::Resolve{name}, {.repeat = true}));
  const auto* resolved = std::get_if<wire::Resolved>(&answer.frame.body);
  if (resolved == nullptr) return base::unavailable("RESOLVE was not answered by RESOLVED");
  return to_resolved_queue(*resolved, name);
}

base::Result<ResolvedQueue> to_resolved_queue(const wire::Resolved& resolved,
                                              std::string_view name) {
  RETURN_IF_ERROR(to_status(resolved.code, resolved.message));
  ASSIGN_OR_RETURN(wire::SlotTable slots, wire::SlotTable::from(resolved.map));
  const auto& endpoints = resolved.map.endpoints;
  // A broker that shares a queue with others names all of them, itself too: a connection to one of
  // several may come to another one the next time.
  const bool partly = std::any_of(endpoints.begin(), endpoints.end(),
                                  [](std::string_view endpoint) { return endpoint.empty(); });
  if (!endpoints.empty() && (partly || endpoints.size() < slots.shards())) {
    return base::Error(base::ErrorCode::kUnimplemented,
                       "queue '" + std::string(name) + "' does not say where all its shards are");
  }
  return ResolvedQueue{resolved.queue,
                       resolved.message_bytes_max,
                       slots,
                       {resolved.subscriptions.begin(), resolved.subscriptions.end()},
                       {endpoints.begin(), endpoints.end()}};
}

}  // namespace sluice::client
