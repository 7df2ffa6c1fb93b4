#include "operator/reconcile/volume_size.h"

#include <algorithm>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/quantity.h"
#include "operator/reconcile/retained_data.h"

namespace sluice::reconcile {
namespace {

const Json* first_template(const Inputs& inputs) {
  const Json* live = inputs.live.find(kube::kStatefulSets, inputs.broker);
  const Json* templates =
      live == nullptr ? nullptr : find_at(*live, {"spec", "volumeClaimTemplates"});
  if (templates == nullptr || !templates->is_array() || templates->empty()) return nullptr;
  return &templates->front();
}

std::uint64_t requested(const Json& claim) {
  return quantity_bytes(text_at(claim, {"spec", "resources", "requests", "storage"})).value_or(0);
}

}  // namespace

std::uint64_t live_volume_bytes(const Inputs& inputs) {
  const Json* one = first_template(inputs);
  std::uint64_t bytes = one == nullptr ? 0 : requested(*one);
  for (const Json* claim : claims_of(inputs.live, inputs.broker)) {
    if (!is_being_removed(*claim)) bytes = std::max(bytes, requested(*claim));
  }
  return bytes;
}

std::string live_storage_class(const Inputs& inputs) {
  for (const Json* claim : claims_of(inputs.live, inputs.broker)) {
    std::string name = text_at(*claim, {"spec", "storageClassName"});
    if (!name.empty() && !is_being_removed(*claim)) return name;
  }
  const Json* one = first_template(inputs);
  return one == nullptr ? std::string() : text_at(*one, {"spec", "storageClassName"});
}

}  // namespace sluice::reconcile
