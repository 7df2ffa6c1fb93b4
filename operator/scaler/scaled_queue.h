#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/json.h"
#include "operator/autoscale/history.h"

namespace sluice::op {

// One subscription of a Queue that has consumers to scale.
struct ScaledSubscription {
  std::string name;
  autoscale::Policy policy;
};

// What the autoscaler has to know of a Queue object. Immutable.
struct ScaledQueue {
  std::string name_space;
  std::string name;
  std::string broker;  // its key: "NAMESPACE/BROKER"
  std::uint16_t shards = 1;
  bool reconcile_paused = false;
  kube::Json regarding;  // for Events
  std::vector<ScaledSubscription> subscriptions;
};
using ScaledQueuePtr = std::shared_ptr<const ScaledQueue>;

// None where nothing is scaled: no consumers, a spec that is wrong, a Queue that is being deleted.
std::optional<ScaledQueue> scaled_queue_of(const kube::Json& queue);

}  // namespace sluice::op
