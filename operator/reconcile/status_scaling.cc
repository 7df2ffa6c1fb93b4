#include "operator/reconcile/status_scaling.h"

#include <string>

namespace sluice::reconcile {

void set_scaling(const Inputs& inputs, const Member& member, Conditions& conditions) {
  if (!member.queue || member.standing == Standing::kRefused) return;
  bool has_consumers = false;
  const ScalingResult* inactive = nullptr;
  bool unknown = false;
  for (const api::Subscription& one : member.queue->spec.subscriptions) {
    if (!one.consumers) continue;
    has_consumers = true;
    const auto found = inputs.scaling.find({member.name, one.name});
    if (found == inputs.scaling.end() || found->second.state == ScalingState::kUnknown) {
      unknown = true;
    } else if (found->second.state == ScalingState::kInactive && inactive == nullptr) {
      inactive = &found->second;
    }
  }
  if (!has_consumers) return;
  if (inactive != nullptr) {
    conditions.set(kScalingActive, Truth::kFalse, inactive->reason, inactive->message);
  } else if (unknown) {
    conditions.keep(kScalingActive, "WaitingForBroker");
  } else {
    conditions.set(kScalingActive, Truth::kTrue, "Scaling", "consumers follow the queue");
  }
}

}  // namespace sluice::reconcile
