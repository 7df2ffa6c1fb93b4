#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sluice::client {

// Who a client is when nobody says: "POD/UID" in Kubernetes (POD_NAME, and POD_UID or the process
// id), else HOSTNAME or the machine's name, and the process id. What stands before the '/' is what
// an operator that scales consumers goes by, so in Kubernetes it has to be the pod's name: that is
// the name of the machine there, unless the pod has the node's network or a `hostname` of its own.
std::string default_client_name();

// The same of an environment, a machine and a process.
std::string client_name_of(const std::function<std::string(const char*)>& variable,
                           std::string_view machine, std::string_view process);

}  // namespace sluice::client
