#pragma once

#include "base/result.h"
#include "kube/credentials.h"
#include "operator/app/options.h"
#include "runtime/clock.h"

namespace sluice::op {

// Where the API server is and who we are there, as the flags say. InvalidArgument and NotFound are
// for whoever wrote them. `clock` must outlive it.
base::Result<kube::ClusterAccess> open_cluster(const OperatorOptions& options,
                                               const runtime::Clock& clock);

}  // namespace sluice::op
