#pragma once

#include <string_view>

#include "kube/json.h"

namespace sluice::reconcile {

// The head of a manifest for a Queue that an API server has stored (api::kStoredAnnotation). Its
// spec is added by whoever knows it.
kube::Json stored_manifest(std::string_view name);

}  // namespace sluice::reconcile
