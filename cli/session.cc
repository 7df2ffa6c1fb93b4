#include "cli/session.h"

#include <algorithm>
#include <utility>

#include "cli/cluster/door.h"
#include "cli/flag_checks.h"
#include "cli/http_guess.h"
#include "cli/queue_address.h"
#include "client/refusal.h"

namespace sluice::cli {
namespace {

constexpr base::Millis kGuessMax{1'000};

base::Error is_http(const std::string& endpoint) {
  return base::unavailable("no broker answers at " + endpoint +
                           ", but an HTTP server: that is the port of /metrics, perhaps; "
                           "--endpoint is the client port, mostly 7650");
}

base::Error nobody_answers(const std::string& endpoint, const base::Error& error, bool in_cluster) {
  return base::unavailable("no broker answers at " + endpoint + " (" + error.message() + "): " +
                           (in_cluster ? "is its pod ready? `kubectl sluice describe QUEUE` tells"
                                       : "start one with `sluice up`, or name another with "
                                         "--endpoint"));
}

// The flag has been checked: what is wrong is the variable.
base::Status check_endpoint(const Context& context) {
  const std::string problem = endpoint_problem(context.endpoint);
  if (problem.empty()) return {};
  return base::invalid_argument(std::string(kEndpointVariable) + ": " + problem);
}

base::Status check_key_pair(const Context& context) {
  const bool is_pair = context.client_key.empty() == context.broker_key.empty();
  if (!context.keys.empty() || is_pair) return {};
  return base::invalid_argument(
      context.broker_key.empty()
          ? "SLUICE_CLIENT_KEY is set and SLUICE_BROKER_KEY is not: both are needed"
          : "SLUICE_BROKER_KEY is set and SLUICE_CLIENT_KEY is not: both are needed");
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
  if (!in_cluster) {
    RETURN_IF_ERROR(check_endpoint(context));
    RETURN_IF_ERROR(check_key_pair(context));
  }
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
  const bool has_keys =
      in_cluster || options.credentials.has_value() || !options.keys_folder.empty();
  auto connection = client::Connection::open(std::move(options));
  if (connection) return Session(std::move(*connection), std::move(forwards));
  base::Error error = connection.error();
  const bool is_refused = client::is_permission_denied(error);
  // Without a key, a broker that wants one looks like another server.
  if (!has_keys && (is_refused || client::is_unanswered(error)) &&
      talks_http(endpoint, std::min(kGuessMax, context.timeout()))) {
    return is_http(endpoint);
  }
  if (is_refused) return error;
  return client::is_unanswered(error) ? nobody_answers(endpoint, error, in_cluster) : error;
}

}  // namespace sluice::cli
