#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/json.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// Settings in the ConfigMap outlive their Queue where they came from somebody else, or where no
// Queue is left that has the ConfigMap applied: the next start of a broker would make such queues.

// Files of the ConfigMap that do not stay; `config` may be null.
std::vector<std::string> entries_without(const kube::Json* config,
                                         const std::function<bool(const std::string& file)>& stays);

// Takes them out of the very version that was looked at: what somebody writes meanwhile is looked
// at first.
Patch drop_entries(const Inputs& inputs, const kube::Json& config,
                   const std::vector<std::string>& files);

}  // namespace sluice::reconcile
