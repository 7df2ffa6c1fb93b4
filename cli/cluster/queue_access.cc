#include "cli/cluster/queue_access.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "base/base64.h"
#include "kube/json.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;

constexpr std::size_t kNamesMax = 10;

std::string names_of(const std::vector<Json>& queues) {
  std::string names;
  for (std::size_t i = 0; i < queues.size() && i < kNamesMax; ++i) {
    names += (i == 0 ? "" : ", ") + kube::name_of(queues[i]);
  }
  return queues.size() > kNamesMax ? names + ", ..." : names;
}

// A value of a Secret without the white space around it.
base::Result<std::string> secret_value(const Json& secret, std::string_view key) {
  const std::string encoded = kube::text_in(kube::value_in(secret, {"data"}), key);
  if (encoded.empty()) {
    return base::not_found("Secret " + kube::name_of(secret) + " has no " + std::string(key));
  }
  ASSIGN_OR_RETURN(const std::string text, base::decode_base64(encoded));
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return std::string();
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

base::Result<std::uint16_t> port_of(const std::string& endpoint) {
  const char* const begin = endpoint.data() + endpoint.rfind(':') + 1;
  const char* const end = endpoint.data() + endpoint.size();
  std::uint16_t port = 0;
  if (const auto [after, error] = std::from_chars(begin, end, port);
      error != std::errc() || after != end || port == 0) {
    return base::invalid_argument("\"" + endpoint + "\" is no endpoint");
  }
  return port;
}

// The Secret with all rights, else the one for publishing and consuming.
base::Result<Json> keys_of_broker(kube::Api& api, std::string_view name_space,
                                  const std::string& broker) {
  std::optional<base::Error> first;
  for (const char* suffix : {"-admin", "-access"}) {
    auto secret = api.get({&kube::kSecrets, std::string(name_space), broker + suffix});
    if (secret) return secret;
    const base::ErrorCode code = secret.error().code();
    if (code != base::ErrorCode::kNotFound && code != base::ErrorCode::kPermissionDenied) {
      return secret;
    }
    if (!first) first = secret.error();
  }
  return first->with_prefix("the keys of broker " + broker + " (Secrets " + broker + "-admin and " +
                            broker + "-access)");
}

base::Result<QueueAccess> access_of(kube::Api& api, std::string_view name_space,
                                    const Json& queue) {
  QueueAccess access;
  access.broker = broker_of(queue);
  ASSIGN_OR_RETURN(const Json secret, keys_of_broker(api, name_space, access.broker));
  access.secret = kube::name_of(secret);
  ASSIGN_OR_RETURN(access.endpoint, secret_value(secret, "endpoint"));
  ASSIGN_OR_RETURN(access.port, port_of(access.endpoint));
  ASSIGN_OR_RETURN(access.credentials.broker_key, secret_value(secret, "broker.pub"));
  ASSIGN_OR_RETURN(access.credentials.secret_key, secret_value(secret, "client.key"));
  const Json& shards = kube::value_in(queue, {"spec", "shards"});
  if (shards.is_number_integer()) access.shards = shards.get<std::uint16_t>();
  return access;
}

}  // namespace

std::string shard_pod(const QueueAccess& access, std::uint16_t shard) {
  return access.broker + "-" + std::to_string(shard);
}

std::string shard_endpoint(const QueueAccess& access, std::string_view name_space,
                           std::uint16_t shard) {
  return "tcp://" + shard_pod(access, shard) + "." + access.broker + "-shards." +
         std::string(name_space) + ".svc:" + std::to_string(access.port);
}

std::string broker_of(const Json& queue) {
  std::string named = kube::text_in(kube::value_in(queue, {"spec", "broker"}), "name");
  return named.empty() ? kube::name_of(queue) : named;
}

base::Result<std::vector<Json>> list_queues(kube::Api& api, std::string_view name_space) {
  ASSIGN_OR_RETURN(const Json list, api.list(kube::kQueues, name_space, {}));
  const Json& items = kube::value_in(list, {"items"});
  std::vector<Json> queues(items.begin(), items.end());
  std::sort(queues.begin(), queues.end(), [](const Json& a, const Json& b) {
    return std::pair(kube::namespace_of(a), kube::name_of(a)) <
           std::pair(kube::namespace_of(b), kube::name_of(b));
  });
  return queues;
}

base::Result<Json> find_queue(kube::Api& api, std::string_view name_space, std::string_view queue) {
  auto found = api.get({&kube::kQueues, std::string(name_space), std::string(queue)});
  if (found || found.error().code() != base::ErrorCode::kNotFound) return found;
  ASSIGN_OR_RETURN(const std::vector<Json> others, list_queues(api, name_space));
  std::string text =
      "there is no Queue " + std::string(queue) + " in namespace " + std::string(name_space);
  if (!others.empty()) text += "; there are " + names_of(others);
  return base::not_found(std::move(text));
}

base::Result<QueueAccess> find_access(kube::Api& api, std::string_view name_space,
                                      std::string_view queue) {
  ASSIGN_OR_RETURN(const Json found, find_queue(api, name_space, queue));
  return access_of(api, name_space, found);
}

base::Result<QueueAccess> find_only_access(kube::Api& api, std::string_view name_space) {
  ASSIGN_OR_RETURN(const std::vector<Json> queues, list_queues(api, name_space));
  std::set<std::string> brokers;
  for (const Json& queue : queues) brokers.insert(broker_of(queue));
  if (brokers.empty()) {
    return base::not_found("there is no Queue in namespace " + std::string(name_space));
  }
  if (brokers.size() > 1) {
    return base::invalid_argument("the Queues of namespace " + std::string(name_space) +
                                  " have several brokers: name a queue (" + names_of(queues) + ")");
  }
  return access_of(api, name_space, queues.front());
}

}  // namespace sluice::cli::cluster
