#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// Numbers of a status are written no more often than this.
inline constexpr base::Millis kNumbersEvery{30'000};

// What the status of each Queue says about its broker.
struct BrokerFacts {
  std::size_t shards = 0;
  std::size_t ready_shards = 0;
  bool exists = false;  // its StatefulSet
  std::size_t outdated_pods = 0;
  bool volumes_grow = false;
  bool volumes_go = false;  // of a broker of that name that was deleted, or is
  bool paused = false;      // reconciliation
  std::string version;
  std::string storage;
  std::string endpoint;
  std::optional<Obstacle> volume;  // the size that cannot be had
  std::optional<Obstacle> keys;    // a key in use that is damaged
  std::string retained_uid;        // of the deleted Queue that the obstacle of this one is about
};

struct StatusPlan {
  std::optional<ApplyStatus> write;
  std::vector<Action> events;         // before it
  std::optional<base::Millis> again;  // numbers wait for their time
  bool is_first = false;              // the Queue had no status
};

StatusPlan plan_status(const Inputs& inputs, const Member& member, const BrokerFacts& facts);

// The object that an Event of this Queue is about.
kube::Json regarding(const Member& member);

}  // namespace sluice::reconcile
