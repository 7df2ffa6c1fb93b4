#include "operator/app/cluster_access.h"

#include <cstdlib>
#include <string>

#include "kube/kubeconfig.h"
#include "kube/run_program.h"
#include "kube/static_credentials.h"

namespace sluice::op {
namespace {

constexpr base::Millis kPluginTimeout{60'000};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

base::Result<kube::ClusterAccess> open_cluster(const OperatorOptions& options,
                                               const runtime::Clock& clock) {
  if (options.kubeconfig.empty()) {
    return kube::in_cluster_access(environment, kube::read_text_file, clock);
  }
  return kube::kubeconfig_access(
      options.kubeconfig, options.context,
      {kube::read_text_file,
       [](const kube::Program& program) { return kube::run_program(program, kPluginTimeout); },
       clock});
}

}  // namespace sluice::op
