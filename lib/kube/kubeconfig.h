#pragma once

#include <string>

#include "kube/credentials.h"
#include "kube/exec_plugin.h"
#include "runtime/clock.h"

namespace sluice::kube {

struct KubeconfigSeams {
  ReadFile read_file;
  RunProgram run;
  const runtime::Clock& clock;
};

// What kubectl would use with this file: `context`, or its current-context where that is empty.
// Certificates and tokens as data or as files (relative to the file's folder), and exec plugins.
// InvalidArgument names the field; what is in the format and not here (basic auth, auth providers,
// insecure-skip-tls-verify, tls-server-name, proxies) is refused and not ignored.
base::Result<ClusterAccess> kubeconfig_access(const std::string& path, const std::string& context,
                                              const KubeconfigSeams& seams);

}  // namespace sluice::kube
