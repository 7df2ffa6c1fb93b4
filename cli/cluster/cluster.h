#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/cluster/flags.h"
#include "kube/api.h"
#include "kube/http_transport.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::cluster {

// A connection to the API server with the rights of whoever calls: by the kubeconfig that kubectl
// would use, or within a pod by its service account. One thread uses it.
class Cluster {
 public:
  static base::Result<std::unique_ptr<Cluster>> open(const ClusterFlags& flags);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  kube::Api& api() { return *api_; }
  // What flags, context or pod say, else "default".
  const std::string& name_space() const { return name_space_; }
  // Whether this process is in a pod, so that names and addresses of the cluster work.
  bool inside() const { return inside_; }
  // What stands at a path, as it is: logs of pods, a page of a pod.
  base::Result<std::string> text_at(const std::string& path);

 private:
  Cluster() = default;

  runtime::SystemClock clock_;
  std::unique_ptr<kube::HttpTransport> transport_;
  std::unique_ptr<kube::Api> api_;
  std::string name_space_;
  bool inside_ = false;
};

}  // namespace sluice::cli::cluster
