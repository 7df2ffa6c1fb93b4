#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/link/broker_link.h"
#include "operator/reconcile/broker_shape.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/key_rotation.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/plan.h"

// The four Secrets of a broker: its own folder of keys, and those of its clients, its
// administrators and its operator.
namespace sluice::reconcile {

struct KeyPlan {
  // Nothing is done about the Secrets: a key that is in use cannot be read, and only somebody who
  // has it can put it back.
  std::optional<Obstacle> obstacle;
  std::vector<Action> actions;
  KeyRotation before;
  KeyRotation after;  // once the actions are carried out
};

// Secrets that are missing are created, never applied: a key that somebody uses is not replaced
// because a cache is behind. Those that exist are patched on condition of their resourceVersion.
KeyPlan plan_key_secrets(const Inputs& inputs, const BrokerShape& shape);

// Where the operator finds the control port of the pod with this address; empty endpoint = the
// Secrets are not there yet.
link::LinkAddress control_address(const LiveObjects& live, std::string_view broker,
                                  std::string_view pod_ip);

// The endpoint that clients are to use now.
std::string client_endpoint(const LiveObjects& live, std::string_view name_space,
                            std::string_view broker);

}  // namespace sluice::reconcile
