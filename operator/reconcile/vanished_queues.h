#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/retained_data.h"

namespace sluice::reconcile {

// Queues that went without the operator: somebody took their finalizer away. What they wanted to
// become of their messages is not known any more, so these are retained.
struct VanishedQueues {
  // By name; only those that hold something or may do so, and that are not noted on the volumes
  // yet.
  std::map<std::string, RetainedQueue> queues;
  // There may be more: this process has just begun, and may be asking the shards for so long yet.
  std::optional<base::Millis> undecided;
};

// What proves one: a shard has messages of it, or its settings are still in the ConfigMap, or they
// may have been: that is not there, the StatefulSet is, and an object is owned by it. Where there
// is a newer Queue of that name, the older one has to be an owner of an object as well, for else
// the newer one's own beginnings could be taken for it.
VanishedQueues vanished_queues(const Inputs& inputs, const std::vector<Member>& members,
                               const RetainedData& retained);

}  // namespace sluice::reconcile
