#pragma once

#include <optional>
#include <string>

#include "kube/json.h"

namespace sluice::reconcile {

// The first place where `live` does not have what `wanted` asks for ("spec.replicas: 3 is wanted, 2
// is there"); nullopt = it has all of it. What `live` has beyond that is somebody else's: defaults
// of the API server, and fields of other managers.
//
// Lists whose items have a key (containers by name, ports by name, owners by uid ...) are compared
// by key, in any order; others item by item, and their lengths count. Amounts under requests and
// limits are compared as amounts. An empty map or list that is wanted may be missing, since the API
// server leaves many of them out.
//
// Fields that were wanted once and are not any more are not seen here: see kAppliedAnnotation.
std::optional<std::string> subset_diff(const kube::Json& wanted, const kube::Json& live);

}  // namespace sluice::reconcile
