#pragma once

#include <compare>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "kube/object_ref.h"
#include "operator/autoscale/observation.h"
#include "operator/autoscale/scale_in_world.h"

namespace sluice::op {

// What runs consumers, as a Queue names it.
struct TargetRef {
  std::string name_space;
  std::string api_version;
  std::string kind;
  std::string name;

  // "Deployment orders-worker".
  std::string to_string() const { return kind + " " + name; }
  std::string_view group() const;

  friend auto operator<=>(const TargetRef&, const TargetRef&) = default;
};

// Types that the client has no constant for: their plural is taken to be the regular one. Keeps
// them for as long as it lives. Any thread.
class TypeBook {
 public:
  const kube::ResourceType* type_of(const TargetRef& target);

 private:
  struct Made {
    std::string group;
    std::string version;
    std::string plural;
    std::string kind;
    kube::ResourceType type;
  };

  std::mutex mutex_;  // guards made_
  std::deque<Made> made_;
};

// "Rollout" -> "rollouts", "Proxy" -> "proxies".
std::string plural_of(std::string_view kind);

// The target as the API server has it. Types that are not known are read by the usual fields:
// spec.replicas, status.readyReplicas, status.selector or spec.selector.
struct TargetView {
  std::string uid;
  std::string resource_version;
  autoscale::Replicas replicas;
  bool rolling_out = false;
  bool by_ordinal = false;
  std::string selector;  // of its pods; empty = it has none
};
TargetView target_view_of(const kube::Json& object);

// Pods of the list that belong to the target, by who controls them; those that have ended are left
// out.
std::vector<autoscale::Pod> pods_of(const kube::Json& list, const TargetRef& target,
                                    const TargetView& view);

}  // namespace sluice::op
