#pragma once

#include "kube/json.h"
#include "operator/reconcile/broker_shape.h"

// The objects of a broker, one a file. Each spells out what it depends on, also where that is the
// API server's default, so that the comparison with the live object means something.
namespace sluice::reconcile {

kube::Json build_service_account(const BrokerShape& shape);
kube::Json build_queues_config(const BrokerShape& shape);
// Headless: a name for each shard's pod.
kube::Json build_shards_service(const BrokerShape& shape);
kube::Json build_client_service(const BrokerShape& shape);
kube::Json build_network_policy(const BrokerShape& shape, const Options& options);
kube::Json build_disruption_budget(const BrokerShape& shape);
kube::Json build_stateful_set(const BrokerShape& shape);

}  // namespace sluice::reconcile
