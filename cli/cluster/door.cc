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
  ForwardTarget target;
  target.kubeconfig = flags.kubeconfig;
  target.context = flags.context;
  target.name_space = name_space;
  target.object = "service/" + access.broker;
  target.port = access.port;
  std::vector<ForwardTarget> targets;
  for (std::uint16_t shard = 0; shard < access.shards; ++shard) {
    // A Service leads to any of its pods, which is the one that is meant only where there is one.
    if (access.shards > 1) target.object = "pod/" + shard_pod(access, shard);
    targets.push_back(target);
  }
  ASSIGN_OR_RETURN(door.forwards,
                   PortForward::open_all(std::move(targets), std::max(timeout, kForwardMin)));
  for (std::uint16_t shard = 0; shard < access.shards; ++shard) {
    const std::string way = "tcp://127.0.0.1:" + std::to_string(door.forwards[shard]->port());
    // The first connection goes to one that is there.
    if (!door.forwards[shard]->problem()) door.endpoint += (door.endpoint.empty() ? "" : ",") + way;
    if (access.shards > 1) door.detours.emplace(shard_endpoint(access, name_space, shard), way);
  }
  return door;
}

}  // namespace sluice::cli::cluster
