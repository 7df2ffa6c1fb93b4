#include "tests/support/kstatus.h"

#include <string>

#include "operator/reconcile/fields.h"

namespace sluice::test {

KStatus kstatus(const kube::Json& object) {
  if (reconcile::is_being_removed(object)) return KStatus::kTerminating;
  const auto observed = reconcile::integer_at(object, {"status", "observedGeneration"});
  if (observed && *observed != reconcile::generation_of(object)) return KStatus::kInProgress;
  const auto condition = [&](const std::string& type) -> std::string {
    const kube::Json* conditions = reconcile::find_at(object, {"status", "conditions"});
    if (conditions == nullptr) return {};
    for (const kube::Json& one : *conditions) {
      if (one.value("type", "") == type) return one.value("status", "");
    }
    return {};
  };
  if (condition("Reconciling") == "True") return KStatus::kInProgress;
  if (condition("Stalled") == "True") return KStatus::kFailed;
  const std::string ready = condition("Ready");
  if (ready == "False" || ready == "Unknown") return KStatus::kInProgress;
  return KStatus::kCurrent;
}

}  // namespace sluice::test
