#include "operator/reconcile/rollout.h"

#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {
namespace {

std::string settings_of(const Json& set) {
  return text_at(set, {"spec", "template", "metadata", "annotations", kSettingsAnnotation});
}

// The controller makes pods from the template that it has seen.
bool is_template_seen(const Json& set, const Json& wanted) {
  return settings_of(set) == settings_of(wanted) && !is_being_removed(set) &&
         integer_at(set, {"status", "observedGeneration"}).value_or(0) >= generation_of(set);
}

}  // namespace

bool is_pod_ready(const Json& pod) {
  if (is_being_removed(pod)) return false;
  const Json* conditions = find_at(pod, {"status", "conditions"});
  if (conditions == nullptr || !conditions->is_array()) return false;
  for (const Json& one : *conditions) {
    if (text_at(one, {"type"}) == "Ready") return text_at(one, {"status"}) == "True";
  }
  return false;
}

std::size_t count_ready(const Inputs& inputs, std::size_t shards) {
  std::size_t ready = 0;
  for (std::size_t i = 0; i < shards; ++i) {
    const Json* pod = inputs.live.find(kube::kPods, pod_name(inputs.broker, i));
    if (pod != nullptr && is_pod_ready(*pod)) ++ready;
  }
  return ready;
}

Rollout plan_rollout(const Inputs& inputs, const kube::Json& wanted) {
  Rollout rollout;
  const Json* set = inputs.live.find(kube::kStatefulSets, inputs.broker);
  if (set == nullptr) return rollout;
  const auto shards =
      static_cast<std::size_t>(integer_at(wanted, {"spec", "replicas"}).value_or(0));
  const Json* next = nullptr;
  const Json* broken = nullptr;
  for (std::size_t i = 0; i < shards; ++i) {
    const Json* pod = inputs.live.find(kube::kPods, pod_name(inputs.broker, i));
    if (pod == nullptr || is_being_removed(*pod) ||
        annotation(*pod, kSettingsAnnotation) == settings_of(wanted)) {
      continue;
    }
    ++rollout.outdated;
    next = pod;
    if (!is_pod_ready(*pod) && broken == nullptr) broken = pod;
  }
  if (next == nullptr || !is_template_seen(*set, wanted)) return rollout;
  if (broken != nullptr) next = broken;
  if (broken == nullptr && count_ready(inputs, shards) != shards) return rollout;
  rollout.restart = Remove{{&kube::kPods, inputs.name_space, kube::name_of(*next)},
                           {kube::uid_of(*next), kube::resource_version_of(*next)},
                           kube::Propagation::kBackground};
  return rollout;
}

}  // namespace sluice::reconcile
