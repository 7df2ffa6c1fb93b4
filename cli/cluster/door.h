#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "access/key_files.h"
#include "base/result.h"
#include "base/time.h"
#include "cli/cluster/flags.h"
#include "cli/cluster/port_forward.h"

namespace sluice::cli::cluster {

// The way to a broker of a cluster: its endpoint for this process and the keys for it. The endpoint
// lives as long as the door does.
struct Door {
  std::string endpoint;
  access::Credentials credentials;
  std::unique_ptr<PortForward> forward;  // none inside of the cluster
};

// `queue` empty = the only broker of the namespace. Unimplemented from outside of the cluster for a
// queue of several shards: a port-forward leads to one.
base::Result<Door> open_door(const ClusterFlags& flags, std::string_view queue,
                             base::Millis timeout);

}  // namespace sluice::cli::cluster
