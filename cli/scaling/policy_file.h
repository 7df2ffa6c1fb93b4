#pragma once

#include <string>

#include "base/result.h"
#include "operator/api/queue.h"
#include "operator/autoscale/history.h"

namespace sluice::cli::scaling {

// The `consumers` of one subscription, and whose they are.
struct NamedPolicy {
  std::string queue;
  std::string subscription;
  autoscale::Policy policy;
};

// Reads a whole file; the error names it.
base::Result<std::string> read_text_file(const std::string& path);

// The policy in a manifest. An empty `queue` or `subscription` means the only one that has
// consumers; where there are several, the error names them.
base::Result<NamedPolicy> read_policy(const std::string& path, const std::string& queue,
                                      const std::string& subscription);

}  // namespace sluice::cli::scaling
