#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kube/api.h"
#include "kube/http_transport.h"
#include "operator/reconcile/inputs.h"
#include "tests/sim/sim_main.h"

namespace sluice::sim {

// Mistakes that the simulator has to find: made at the seams around the product, which is as it is.
enum class Bug : std::uint8_t {
  kNone,
  kZeroOnUnknown,
  kScaleInOfBusyPod,
  kWriteWithoutLease,
  kFinalizerBeforeRemoval,
  kWatchGapMissed,
  kPreconditionsIgnored,
  kLostWriteTakenForDone,
  kStatusWriteLoop,
  kEpochNotRaised,
  kDroppedOwners,
  kAboveMax,
  kDeletedEventMissed,
  kViewBeforeLease,
  kWaitOverstated,
  kWaitBelieved,
};

const std::vector<Choice>& bug_choices();

// The bug of a run, as what stands between the product and its world.
class Bugs {
 public:
  // REQUIRES: empty, or one of bug_choices().
  explicit Bugs(const std::string& name);

  bool has(Bug bug) const { return bug_ == bug; }
  std::unique_ptr<kube::Api> wrap_api(kube::Api& api) const;
  std::unique_ptr<kube::HttpTransport> wrap_watches(kube::HttpTransport& transport) const;
  std::vector<reconcile::ShardState> shards(std::vector<reconcile::ShardState> states,
                                            base::MonoTime now) const;

 private:
  Bug bug_ = Bug::kNone;
};

}  // namespace sluice::sim
