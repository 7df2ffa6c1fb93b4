#include "cli/cluster/door.h"

#include <algorithm>
#include <utility>

#include "cli/cluster/cluster.h"
#include "cli/cluster/queue_access.h"

namespace sluice::cli::cluster {
namespace {

// kubectl asks the API server for the Service, for its pods, and for the stream.
constexpr base::Millis kForwardMin{15'000};

}  // namespace

base::Result<Door> open_door(const ClusterFlags& flags, std::string_view queue,
                             base::Millis timeout) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Cluster> cluster, Cluster::open(flags));
  kube::Api& api = cluster->api();
  const std::string& name_space = cluster->name_space();
  ASSIGN_OR_RETURN(QueueAccess access, queue.empty() ? find_only_access(api, name_space)
                                                     : find_access(api, name_space, queue));
  Door door;
  door.credentials = std::move(access.credentials);
  if (cluster->inside()) {
    door.endpoint = std::move(access.endpoint);
    return door;
  }
  if (access.shards > 1) {
    return base::Error(
        base::ErrorCode::kUnimplemented,
        "the queue has " + std::to_string(access.shards) +
            " shards, and a port-forward leads to one of them: run this in a pod of the cluster");
  }
  ForwardTarget target;
  target.kubeconfig = flags.kubeconfig;
  target.context = flags.context;
  target.name_space = name_space;
  target.service = access.broker;
  target.port = access.port;
  ASSIGN_OR_RETURN(door.forward,
                   PortForward::open(std::move(target), std::max(timeout, kForwardMin)));
  door.endpoint = "tcp://127.0.0.1:" + std::to_string(door.forward->port());
  return door;
}

}  // namespace sluice::cli::cluster
