#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/sim/operator/broker_field.h"
#include "tests/support/fake_api_server.h"

namespace sluice::sim {

// A queue of a run: what its users want it to be.
struct QueueSlot {
  std::string name_space;
  std::string name;
  std::string broker;
  std::size_t shards = 1;
  std::string target;  // Deployment of its consumers; empty = none
  std::uint32_t min_replicas = 0;
  std::uint32_t max_replicas = 1;
};

// A pod that consumes.
struct ConsumerPod {
  std::string name;
  bool started = false;
  bool ready = false;
  bool leaves = false;
  std::int64_t cost = 0;
  std::uint64_t order = 0;  // of its making
};

// The applications of a world: Deployments whose pods take messages of a queue's shards, work on
// them, and settle them; and the controller that makes and ends these pods.
class ConsumersSim {
 public:
  ConsumersSim(Loop& loop, test::FakeApiServer& store, BrokerField& field,
               const std::vector<QueueSlot>& slots, base::Prng prng)
      : loop_(loop), store_(store), field_(field), slots_(slots), prng_(prng) {}

  void make_deployments();
  // Starts and ends pods; a second's work.
  void control();
  // Takes and settles messages; half a second's work.
  void consume();

  // Not those that are on their way out.
  std::vector<ConsumerPod> pods_of(const std::string& name_space, const std::string& target,
                                   bool all = false) const;
  // Whom the controller would take, were there so many fewer.
  std::vector<ConsumerPod> victims(const std::string& name_space, const std::string& target,
                                   std::size_t count) const;
  // What the pod holds of all queues, at all brokers but those that run in these pods
  // (NAMESPACE/NAME).
  std::uint64_t in_flight(const std::string& name_space, const std::string& pod,
                          const std::set<std::string>& but_at) const;

 private:
  void control_one(const kube::Json& deployment);
  void consume_one(const QueueSlot& slot, std::size_t shard);

  Loop& loop_;
  test::FakeApiServer& store_;
  BrokerField& field_;
  const std::vector<QueueSlot>& slots_;
  base::Prng prng_;
  std::uint64_t made_ = 0;
};

}  // namespace sluice::sim
