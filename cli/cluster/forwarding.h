#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli::cluster {

// A way through the API server to a port of a Service or of a pod.
struct ForwardTarget {
  std::string program = "kubectl";
  std::string kubeconfig;  // empty = kubectl's own choice, as for `context`
  std::string context;
  std::string name_space;
  std::string object;  // "service/orders", "pod/orders-0"
  std::uint16_t port = 0;
};

// kubectl's command line. `local_port` 0 = it chooses one.
std::vector<std::string> forward_command(const ForwardTarget& target, std::uint16_t local_port);

// The local port that kubectl says it listens on; nullopt while it has not said so.
std::optional<std::uint16_t> forwarded_port(std::string_view output);

}  // namespace sluice::cli::cluster
