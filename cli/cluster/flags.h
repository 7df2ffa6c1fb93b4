#pragma once

#include <string>

namespace sluice::cli::cluster {

// Which cluster, and where in it: what kubectl's flags of these names say.
struct ClusterFlags {
  // A flag was given, or the program was called as a plugin of kubectl.
  bool wanted = false;
  std::string name_space;  // empty = that of the kubeconfig's context, or of this pod
  std::string context;
  std::string kubeconfig;
};

}  // namespace sluice::cli::cluster
