#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "operator/autoscale/observation.h"
#include "operator/link/observation.h"

// From what single brokers tell to what the autoscaler goes by.
namespace sluice::autoscale {

// The broker of one shard of a queue, as far as it is known.
struct Shard {
  std::string broker;  // names the broker's pod: "orders-0"
  // The last that it told; null = nothing since its link was opened, or the link is down.
  std::shared_ptr<const link::BrokerObservation> told;
};

// Whether what it told may still be acted on.
bool is_known(const Shard& shard, base::MonoTime now);

// The pod that a consumer names in its HELLO: what stands before the first '/'.
std::string_view pod_of_consumer(std::string_view consumer);

// One subscription, added up over its queue's shards. A shard whose broker does not have the queue
// or the subscription yet is not known either.
Backlog backlog_of(std::string_view queue, std::string_view subscription,
                   std::span<const Shard> shards, base::MonoTime now);

}  // namespace sluice::autoscale
