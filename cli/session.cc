#include "cli/session.h"

#include <utility>

#include "cli/cluster/door.h"
#include "cli/queue_address.h"
#include "client/refusal.h"

namespace sluice::cli {
namespace {

base::Error nobody_answers(const std::string& endpoint, const base::Error& error, bool in_cluster) {
  return base::unavailable("no broker answers at " + endpoint + " (" + error.message() + "): " +
                           (in_cluster ? "is its pod ready? `kubectl sluice describe QUEUE` tells"
                                       : "start one with `sluice up`, or name another with "
                                         "--endpoint"));
}

}  // namespace

base::Result<Session> connect(const Context& context, std::string_view queue) {
  client::ConnectionOptions options;
  options.endpoint = context.endpoint;
  options.keys_folder = context.keys;
  options.endpoint_wins = context.endpoint_given;
  if (context.keys.empty() && !context.client_key.empty()) {
    options.credentials = access::Credentials{context.broker_key, context.client_key};
  }
  std::vector<std::unique_ptr<cluster::PortForward>> forwards;
  const bool in_cluster = context.cluster.wanted && !context.endpoint_given;
  if (in_cluster) {
    ASSIGN_OR_RETURN(
        cluster::Door door,
        cluster::open_door(context.cluster, parse_queue_address(queue).queue, context.timeout()));
    options.endpoint = std::move(door.endpoint);
    options.endpoint_wins = true;
    options.keys_folder.clear();
    options.credentials = std::move(door.credentials);
    options.detours = std::move(door.detours);
    forwards = std::move(door.forwards);
    for (const auto& forward : forwards) {
      if (forward->problem()) print_note("no way to " + forward->problem()->message());
    }
  }
  options.connect_timeout = context.timeout();
  options.request_timeout = context.timeout();
  const std::string endpoint = options.endpoint;
  auto connection = client::Connection::open(std::move(options));
  if (connection) return Session(std::move(*connection), std::move(forwards));
  base::Error error = connection.error();
  if (client::is_permission_denied(error)) return error;
  return client::is_unanswered(error) ? nobody_answers(endpoint, error, in_cluster) : error;
}

}  // namespace sluice::cli
