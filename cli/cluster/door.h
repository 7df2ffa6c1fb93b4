#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_files.h"
#include "base/result.h"
#include "base/time.h"
#include "cli/cluster/flags.h"
#include "cli/cluster/port_forward.h"

namespace sluice::cli::cluster {

// The way to the brokers of a Queue in a cluster: their endpoints for this process and the keys for
// them. The endpoints live as long as the door does.
struct Door {
  std::string endpoint;                        // with commas between, where several shards are
  std::map<std::string, std::string> detours;  // client::ConnectionOptions has it
  access::Credentials credentials;
  std::vector<std::unique_ptr<PortForward>> forwards;  // none inside of the cluster
};

// `queue` empty = the only broker of the namespace. From outside of the cluster each shard gets a
// port-forward of its own.
base::Result<Door> open_door(const ClusterFlags& flags, std::string_view queue,
                             base::Millis timeout);

}  // namespace sluice::cli::cluster
