#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "kube/json.h"
#include "operator/link/observation.h"
#include "operator/reconcile/key_maker.h"
#include "operator/reconcile/live_objects.h"

// All that a plan depends on. Plain values, gathered by the program around this library: whoever
// has the same inputs gets the same plan.
namespace sluice::reconcile {

// How this operator was started. None of it changes the pods of a broker that exists.
struct Options {
  std::string image = "sluice";  // repository of the broker's image
  std::string version;           // tag for new brokers
  std::string image_pull_policy = "IfNotPresent";
  // Brokers whose Queues name no version move to `version` too; else they stay as created.
  bool upgrade_brokers = false;
  // Who may use the control port.
  std::string operator_namespace;
  std::map<std::string, std::string> operator_pod_labels = {
      {"app.kubernetes.io/name", "sluice-operator"}};
};

// A manifest that a broker would not take.
struct Refusal {
  std::uint64_t revision = 0;  // link::manifest_revision() of it
  std::string message;         // the broker's
  // When it may be asked again, where the reason can pass by itself: a subscription that is taken
  // away is drained. None = it takes another manifest.
  std::optional<base::MonoTime> ask_again = {};

  bool operator==(const Refusal&) const = default;
};

// A process that has just begun does not call a shard unreachable before it has tried for so long.
inline constexpr base::Millis kConnectGrace{5'000};

// What is known of one broker pod over its control port.
struct ShardState {
  bool connected = false;
  std::string problem;  // while not connected: why, as far as it is known
  // The newest; nullptr = none yet. While not connected it is old, and nothing is concluded from it
  // but what was seen last.
  std::shared_ptr<const link::BrokerObservation> observation;
  std::map<std::string, Refusal> refused;  // by queue: the last answer to a Configure, if a refusal
  // Queues that it was told to make after the newest observation, and may have made.
  std::set<std::string> configured = {};
  // Until this process hears of the shard for the first time: since when it tries to.
  std::optional<base::MonoTime> trying_since = {};

  // What is seen of it is what it is now.
  bool is_heard() const { return connected && observation != nullptr; }

  // For how much longer it is too early to say that it cannot be reached; none = it is not.
  std::optional<base::Millis> grace_left(base::MonoTime now) const {
    if (!trying_since || observation != nullptr) return std::nullopt;
    const base::Nanos left = base::Nanos(kConnectGrace) - base::Nanos(now - *trying_since);
    if (left.count() <= 0) return std::nullopt;
    return std::chrono::ceil<base::Millis>(left);
  }
};

enum class ScalingState : std::uint8_t { kActive, kInactive, kUnknown };

// What the autoscaler says of one subscription.
struct ScalingResult {
  ScalingState state = ScalingState::kUnknown;
  std::string reason;      // CamelCase: of the decision, or why nothing is scaled
  std::string message;     // the numbers behind it
  std::string limited_by;  // "" = nothing
  std::optional<std::uint32_t> current;
  std::optional<std::uint32_t> desired;
  std::optional<base::WallTime> last_scale;  // when the operator last changed it
};

// Messages a second, over the last half minute or so (rate_meter.h).
struct Rates {
  double in_per_second = 0;
  double out_per_second = 0;
};

// The unit of reconciling is a broker: a namespace, a broker's name, and all Queues that name it.
struct Inputs {
  std::string name_space;
  std::string broker;
  // All Queues of the namespace for which broker_of() is `broker`, also those being deleted, as the
  // API server has them.
  std::vector<kube::Json> queues;
  // The objects of names.h that exist (StatefulSet, Services, ConfigMap, Secrets, ServiceAccount,
  // PodDisruptionBudget, NetworkPolicy), and the Pods and PersistentVolumeClaims that carry the
  // broker's label.
  LiveObjects live;
  // By index; those that are missing count as never seen.
  std::vector<ShardState> shards;
  std::map<std::pair<std::string, std::string>, ScalingResult> scaling;  // (queue, subscription)
  std::map<std::string, Rates> rates;                                    // by queue
  // By StorageClass: whether its volumes can grow. One that is missing is not known.
  std::map<std::string, bool> expandable;
  // By Queue: when this process last wrote its status.
  std::map<std::string, base::MonoTime> status_written;
  // By uid of a Queue: since when its deletion waits for a broker that is not heard, counting what
  // processes before this one have noted. Kept by WaitBook from plan to plan.
  std::map<std::string, base::MonoTime> waiting_since;
  // The same: this process heard the broker, so what others have noted is of a wait that is over.
  // What takes such a note away may be refused, or not be seen.
  std::set<std::string> heard;
  bool namespace_terminating = false;
  Options options;
  base::Now now;
  KeyMaker* keys = nullptr;  // never nullptr when a plan is made
};

}  // namespace sluice::reconcile
