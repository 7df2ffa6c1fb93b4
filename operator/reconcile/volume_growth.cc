#include "operator/reconcile/volume_growth.h"

#include "base/duration.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/quantity.h"
#include "operator/reconcile/volume_size.h"

namespace sluice::reconcile {
namespace {

std::uint64_t request_of(const Json& claim) {
  return quantity_bytes(text_at(claim, {"spec", "resources", "requests", "storage"})).value_or(0);
}

// Claims of this broker's shards that are bound and smaller than wanted.
std::vector<const Json*> small_claims(const Inputs& inputs, const BrokerShape& shape) {
  std::vector<const Json*> small;
  for (std::size_t i = 0; i < shape.shards; ++i) {
    const Json* claim = inputs.live.find(kube::kPersistentVolumeClaims, claim_name(shape.name, i));
    if (claim == nullptr || is_being_removed(*claim)) continue;
    if (request_of(*claim) < shape.storage_bytes) small.push_back(claim);
  }
  return small;
}

// What was asked for is not there yet.
bool is_growing(const Inputs& inputs, const BrokerShape& shape) {
  for (std::size_t i = 0; i < shape.shards; ++i) {
    const Json* claim = inputs.live.find(kube::kPersistentVolumeClaims, claim_name(shape.name, i));
    if (claim == nullptr) continue;
    const std::string capacity = text_at(*claim, {"status", "capacity", "storage"});
    if (quantity_bytes(capacity).value_or(0) > 0 &&
        quantity_bytes(capacity).value_or(0) < request_of(*claim)) {
      return true;
    }
  }
  return false;
}

Action grow(const BrokerShape& shape, const Json& claim) {
  Json patch = {
      {"metadata", {{"resourceVersion", kube::resource_version_of(claim)}}},
      {"spec",
       {{"resources", {{"requests", {{"storage", base::format_bytes(shape.storage_bytes)}}}}}}}};
  return Patch{{&kube::kPersistentVolumeClaims, shape.name_space, kube::name_of(claim)},
               std::move(patch)};
}

std::uint64_t template_bytes(const Json& set) {
  const Json* templates = find_at(set, {"spec", "volumeClaimTemplates"});
  if (templates == nullptr || !templates->is_array() || templates->empty()) return 0;
  return request_of(templates->front());
}

Obstacle cannot_shrink(const Inputs& inputs, std::uint64_t asked, std::uint64_t there) {
  return {"VolumeCannotShrink", "spec.broker.storage.size is " + base::format_bytes(asked) +
                                    ", and the volumes of broker " + inputs.broker + " have " +
                                    base::format_bytes(there) + "; volumes can only grow"};
}

}  // namespace

GrowthPlan plan_volume_growth(const Inputs& inputs, const BrokerShape& shape,
                              std::optional<std::uint64_t> asked) {
  GrowthPlan plan;
  const Json* set = inputs.live.find(kube::kStatefulSets, shape.name);
  const std::uint64_t there = live_volume_bytes(inputs);
  if (asked && *asked < there) plan.obstacle = cannot_shrink(inputs, *asked, there);
  if (set == nullptr || is_being_removed(*set)) return plan;

  const std::vector<const Json*> small = small_claims(inputs, shape);
  for (const Json* claim : small) {
    if (text_at(*claim, {"status", "phase"}) != "Bound") continue;  // the API server refuses
    const std::string storage_class = text_at(*claim, {"spec", "storageClassName"});
    const auto known = inputs.expandable.find(storage_class);
    if (known != inputs.expandable.end() && !known->second) {
      if (!asked) return {};
      plan.actions.clear();
      plan.obstacle = {"VolumeNotExpandable", "spec.broker.storage.size is " +
                                                  base::format_bytes(*asked) +
                                                  ", and StorageClass " + storage_class +
                                                  " does not allow volumes to grow"};
      return plan;
    }
    const bool is_sure = known != inputs.expandable.end();
    if (!is_sure && !asked) continue;
    (is_sure ? plan.actions : plan.last_actions).push_back(grow(shape, *claim));
  }
  plan.in_progress =
      !plan.actions.empty() || !plan.last_actions.empty() || is_growing(inputs, shape);
  if (small.empty() && template_bytes(*set) < shape.storage_bytes && template_bytes(*set) > 0) {
    plan.in_progress = true;
    plan.replaces_set = true;
    plan.actions.emplace_back(Remove{{&kube::kStatefulSets, shape.name_space, shape.name},
                                     {kube::uid_of(*set), kube::resource_version_of(*set)},
                                     kube::Propagation::kOrphan});
  }
  return plan;
}

}  // namespace sluice::reconcile
