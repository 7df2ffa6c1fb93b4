#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "kube/api.h"
#include "kube/json.h"
#include "kube/object_ref.h"
#include "operator/link/broker_link.h"

// What is to be done, as values.
namespace sluice::reconcile {

// Field managers: of objects, and of the status of Queues.
inline constexpr std::string_view kFieldManager = "sluice-operator";
inline constexpr std::string_view kStatusManager = "sluice-operator-status";

// Server-side apply as kFieldManager.
struct Apply {
  kube::Json object;
};
// A new object that must not replace one: keys. Whoever finds the name taken looks again.
struct Create {
  kube::Json object;
};
// One that is gone already is fine.
struct Remove {
  kube::ObjectRef ref;
  kube::Preconditions preconditions;
  kube::Propagation propagation = kube::Propagation::kBackground;
};
// A merge patch; metadata.resourceVersion in it is a precondition.
struct Patch {
  kube::ObjectRef ref;
  kube::Json patch;
};
// Server-side apply of a Queue's status as kStatusManager.
struct ApplyStatus {
  kube::Json object;
};
// BrokerLink::configure. A refusal (InvalidArgument, FailedPrecondition of the broker) is to be
// kept in ShardState::refused until the next answer; it does not end the plan.
struct Configure {
  std::size_t shard = 0;
  std::string queue;
  std::string manifest;
};
// BrokerLink::remove_queue, where the Queue still is the one that is being deleted: a broker knows
// queues by name alone, and a newer Queue of that name may have messages already. That it is done
// is seen in a later observation.
struct RemoveQueue {
  std::size_t shard = 0;
  std::string queue;
  std::string uid;  // of the Queue
  link::RemoveMode mode = link::RemoveMode::kAlways;
};
// For people. One that cannot be written is left out and does not end the plan: a namespace that
// goes away takes none.
struct Event {
  kube::Json regarding;  // apiVersion, kind, namespace, name, uid
  bool warning = false;
  std::string reason;
  std::string action;
  std::string note;
};

using Action =
    std::variant<Apply, Create, Remove, Patch, ApplyStatus, Configure, RemoveQueue, Event>;

// Actions are carried out in their order. The first that fails ends the plan, and a new one is made
// after a while: a plan may be cut off anywhere, and nothing is lost by it.
struct Plan {
  std::vector<Action> actions;
  // When to look again although nothing has changed; none = not before something does.
  std::optional<base::Millis> requeue_after;
  // By uid of a Queue whose deletion waits for a broker that is not heard: for how long so far.
  std::map<std::string, base::Millis> wait_for_broker = {};
  // By uid: deletions that need not wait, because the broker is heard.
  std::set<std::string> heard = {};
};

// One line for logs: "Apply StatefulSet shop/orders". No key is in it.
std::string to_string(const Action& action);
// Whether the API server sees a write.
bool is_write(const Action& action);

}  // namespace sluice::reconcile
