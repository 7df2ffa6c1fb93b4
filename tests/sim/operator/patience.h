#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "tests/sim/operator/consumers_sim.h"
#include "tests/sim/operator/loop.h"
#include "tests/sim/operator/operator_process.h"
#include "tests/support/fake_api_server.h"

namespace sluice::sim {

// For how long deletions of Queues have waited for their brokers at most. It goes by what happened:
// what operators note of it is held against this.
class Patience {
 public:
  Patience(const Loop& loop, const test::FakeApiServer& store, const std::vector<QueueSlot>& slots)
      : loop_(loop), store_(store), slots_(slots) {}

  // What an operator hears that leads and works; each second.
  void listen(const OperatorProcess& process);
  // At that time an operator knew that this Queue's deletion does not wait.
  void begins_anew(const kube::Json& queue, base::MonoTime at);

  // REQUIRES: it is being deleted.
  base::Nanos longest(const kube::Json& queue) const;

 private:
  const Loop& loop_;
  const test::FakeApiServer& store_;
  const std::vector<QueueSlot>& slots_;
  std::map<std::string, base::MonoTime> since_;  // by uid of the Queue
};

}  // namespace sluice::sim
