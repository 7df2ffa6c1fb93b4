#include "cli/session.h"

#include <utility>

#include "client/refusal.h"

namespace sluice::cli {

base::Result<std::unique_ptr<client::Connection>> connect(const Context& context) {
  client::ConnectionOptions options;
  options.endpoint = context.endpoint;
  options.keys_folder = context.keys;
  options.endpoint_wins = context.endpoint_given;
  if (context.keys.empty() && !context.client_key.empty()) {
    options.credentials = access::Credentials{context.broker_key, context.client_key};
  }
  options.connect_timeout = context.timeout();
  options.request_timeout = context.timeout();
  auto connection = client::Connection::open(std::move(options));
  if (connection) return connection;
  const base::Error& error = connection.error();
  if (client::is_permission_denied(error)) return connection;
  if (error.code() == base::ErrorCode::kDeadlineExceeded ||
      error.code() == base::ErrorCode::kUnavailable) {
    return base::unavailable("no broker answers at " + context.endpoint + " (" + error.message() +
                             "): start one with `sluice up`, or name another with --endpoint");
  }
  return connection;
}

}  // namespace sluice::cli
