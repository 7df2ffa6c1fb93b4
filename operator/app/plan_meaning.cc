#include "operator/app/plan_meaning.h"

#include <algorithm>

#include "kube/object_ref.h"
#include "operator/reconcile/fields.h"

namespace sluice::op {

using kube::Json;

namespace {

// Of one that leaves, or one that does not.
bool patches_finalizers(const reconcile::Plan& plan, const reconcile::Inputs& inputs,
                        bool leaving) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [&](const auto& action) {
    const auto* patch = std::get_if<reconcile::Patch>(&action);
    if (patch == nullptr || patch->ref.type != &kube::kQueues) return false;
    if (reconcile::find_at(patch->patch, {"metadata", "finalizers"}) == nullptr) return false;
    return std::any_of(inputs.queues.begin(), inputs.queues.end(), [&](const Json& queue) {
      return kube::name_of(queue) == patch->ref.name &&
             reconcile::is_being_removed(queue) == leaving;
    });
  });
}

}  // namespace

bool is_stalled(const reconcile::Plan& plan) {
  for (const reconcile::Action& action : plan.actions) {
    const auto* status = std::get_if<reconcile::ApplyStatus>(&action);
    if (status == nullptr) continue;
    const Json& conditions = kube::value_in(status->object, {"status", "conditions"});
    if (!conditions.is_array()) continue;
    for (const Json& condition : conditions) {
      if (kube::text_in(condition, "type") == "Stalled" &&
          kube::text_in(condition, "status") == "True") {
        return true;
      }
    }
  }
  return false;
}

bool lets_go(const reconcile::Plan& plan, const reconcile::Inputs& inputs) {
  return !inputs.namespace_terminating && patches_finalizers(plan, inputs, true);
}

bool takes_up(const reconcile::Plan& plan, const reconcile::Inputs& inputs) {
  return patches_finalizers(plan, inputs, false);
}

bool takes_volumes(const reconcile::Plan& plan) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [](const auto& action) {
    const auto* remove = std::get_if<reconcile::Remove>(&action);
    return remove != nullptr && remove->ref.type == &kube::kPersistentVolumeClaims;
  });
}

}  // namespace sluice::op
