#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_files.h"
#include "base/result.h"
#include "kube/api.h"

namespace sluice::cli::cluster {

// What it takes to reach the broker of a Queue, as the operator has left it in the cluster.
struct QueueAccess {
  std::string broker;      // names the StatefulSet, the Service and the Secrets
  std::string secret;      // that the keys are from
  std::string endpoint;    // as pods of the cluster reach it
  std::uint16_t port = 0;  // of the endpoint; it changes with the broker's key
  access::Credentials credentials;
  std::uint16_t shards = 1;
};

// The pod that a shard of it runs in, and the endpoint by which brokers tell clients of it: as the
// operator names them (docs/operator.md, "What a Queue becomes").
std::string shard_pod(const QueueAccess& access, std::uint16_t shard);
std::string shard_endpoint(const QueueAccess& access, std::string_view name_space,
                           std::uint16_t shard);

// The name of a Queue's broker: spec.broker.name, else its own.
std::string broker_of(const kube::Json& queue);

// NotFound names the Queues that there are.
base::Result<kube::Json> find_queue(kube::Api& api, std::string_view name_space,
                                    std::string_view queue);
// The Queues of a namespace (empty = of all), by namespace and name.
base::Result<std::vector<kube::Json>> list_queues(kube::Api& api, std::string_view name_space);

// With the keys of Secret BROKER-admin, or, where that may not be read or is not there, of
// BROKER-access, which let publish and consume only.
base::Result<QueueAccess> find_access(kube::Api& api, std::string_view name_space,
                                      std::string_view queue);
// Of the only broker of a namespace, for what asks about all queues. InvalidArgument where there
// are several.
base::Result<QueueAccess> find_only_access(kube::Api& api, std::string_view name_space);

}  // namespace sluice::cli::cluster
