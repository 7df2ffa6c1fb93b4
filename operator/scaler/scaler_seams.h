#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"
#include "kube/event_series.h"
#include "operator/reconcile/inputs.h"
#include "operator/scaler/scaling_status.h"
#include "runtime/clock.h"

namespace sluice::op {

// All that the scaler is given; it must outlive the scaler. Functions are called on the scaler's
// threads, several at a time, and without a lock.
struct ScalerSeams {
  kube::Api& api;  // fenced: nothing is written without the lease
  const runtime::Clock& clock;
  // An Event; returns at once.
  std::function<void(kube::EventNote)> record;
  // What is known of a broker's shards, by index.
  std::function<std::vector<reconcile::ShardState>(const std::string& broker)> shards;
  // BrokerLink::cordon() of that shard with the leader's epoch. `done` on any thread, once, also
  // where there is no link (Unavailable).
  std::function<void(const std::string& broker, std::size_t shard, const std::string& pod,
                     base::Millis lease, std::function<void(base::Result<std::uint64_t>)> done)>
      cordon;
  // Something about the scaling of this broker's Queues changed: its status is to be written.
  std::function<void(const std::string& broker)> status_changed;
  // Replicas were written; `latency` since the observation that it follows from came in.
  std::function<void(const ScalingStatus& status, base::Nanos latency)> scaled;
};

}  // namespace sluice::op
