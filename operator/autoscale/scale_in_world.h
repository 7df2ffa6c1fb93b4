#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "operator/autoscale/shards.h"
#include "operator/autoscale/target_group.h"

// What scale-in goes by: the target and its pods as the API server has them, and what each broker
// says about the consumers. Plain values.
namespace sluice::autoscale {

// The annotation by which a ReplicaSet chooses who goes: the lowest first.
inline constexpr std::string_view kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";
// Ours, beside it: the pod was chosen by us. Its value is the cost that stood there before.
inline constexpr std::string_view kChosen = "sluice.dev/scale-in";

struct Pod {
  std::string name;
  std::string uid;
  base::WallTime created;
  bool started = false;  // some container of it has run: it is more than Pending
  bool ready = false;
  bool terminating = false;
  std::optional<std::string> deletion_cost;  // of the annotation
  std::optional<std::string> chosen;         // of the annotation
};

struct TargetState {
  std::uint32_t replicas = 0;  // spec.replicas
  bool rolling_out = false;    // pods of an older template are being replaced
  bool by_ordinal = false;     // a StatefulSet: who goes is not ours to choose
  std::vector<Pod> pods;       // those that belong to it
};

struct ScaleInWorld {
  TargetState target;
  std::vector<Shard> brokers;     // every broker that has a queue of the group, once
  std::vector<MemberId> members;  // of the group
};

// What the consumers of one pod hold at one broker, on all of its queues.
struct Holding {
  std::uint64_t in_flight = 0;
  bool cordoned = true;  // all of its consumers are
  std::size_t consumers = 0;
};

// One broker's consumers, by the pod that they name.
struct BrokerView {
  std::string broker;
  bool known = false;
  base::MonoTime told_at;
  std::uint32_t incarnation = 0;
  std::map<std::string, Holding, std::less<>> by_pod;
};

std::vector<BrokerView> views_of(const ScaleInWorld& world, base::MonoTime now);

// Whether a consumer of one of the group's subscriptions names a pod that the target does not have:
// it may be any process, also one in a pod of the target.
bool has_unmatched_consumers(const ScaleInWorld& world, base::MonoTime now);

// The number behind the last '-' of a StatefulSet's pod; 0 where there is none.
std::uint64_t ordinal_of(std::string_view pod);
// The number in an annotation of that kind.
std::int32_t cost_in(std::string_view text);
// The cost that a pod has, or has again once its mark is taken back.
std::optional<std::string> own_cost(const Pod& pod);
// A cost below the own one of every pod of the target.
std::int32_t cost_to_go(const TargetState& target);

}  // namespace sluice::autoscale
