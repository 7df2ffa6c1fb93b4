#include "cli/cluster/forwarding.h"

#include <charconv>

namespace sluice::cli::cluster {

std::vector<std::string> forward_command(const ForwardTarget& target, std::uint16_t local_port) {
  std::vector<std::string> words = {target.program};
  if (!target.kubeconfig.empty()) words.push_back("--kubeconfig=" + target.kubeconfig);
  if (!target.context.empty()) words.push_back("--context=" + target.context);
  words.push_back("--namespace=" + target.name_space);
  words.push_back("port-forward");
  words.push_back("--address=127.0.0.1");
  words.push_back(target.object);
  words.push_back((local_port == 0 ? "" : std::to_string(local_port)) + ":" +
                  std::to_string(target.port));
  return words;
}

std::optional<std::uint16_t> forwarded_port(std::string_view output) {
  constexpr std::string_view kSaid = "Forwarding from 127.0.0.1:";
  const std::size_t said = output.find(kSaid);
  if (said == std::string_view::npos) return std::nullopt;
  output.remove_prefix(said + kSaid.size());
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(output.data(), output.data() + output.size(), port);
  // Without what comes behind it, the number may not be all there.
  if (error != std::errc() || end == output.data() + output.size() || *end != ' ') {
    return std::nullopt;
  }
  return port == 0 ? std::nullopt : std::optional(port);
}

}  // namespace sluice::cli::cluster
