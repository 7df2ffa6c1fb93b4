#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "operator/link/broker_link.h"
#include "operator/reconcile/inputs.h"
#include "tests/support/fake_api_server.h"

namespace sluice::test {

// The brokers in the pods of a FakeApiServer: a log a volume, and in it queues with as many
// messages as the test says. What a broker tells and takes over its control port, without a wire.
class FakeBrokers {
 public:
  explicit FakeBrokers(FakeApiServer& api) : api_(api) {}

  // Brokers start in pods that are ready, with the manifests that are mounted; those whose pod is
  // gone end; logs go with their claims. True if anything changed.
  bool step();

  // As the operator sees it; not connected while no broker runs there.
  reconcile::ShardState shard(const std::string& name_space, const std::string& pod) const;
  base::Status configure(const std::string& name_space, const std::string& pod,
                         const std::string& manifest);
  void remove_queue(const std::string& name_space, const std::string& pod, const std::string& queue,
                    link::RemoveMode mode);

  bool runs(const std::string& name_space, const std::string& pod) const {
    return reachable && process_of(name_space, pod) != nullptr;
  }
  // A control call shows this epoch: FailedPrecondition where a higher one was shown before, also
  // before a restart of the broker. Unavailable while no broker runs there.
  base::Status admit(const std::string& name_space, const std::string& pod, std::uint64_t epoch);
  // What the broker in that pod holds; nullptr = no broker runs there, or it has no such queue.
  link::QueueObservation* queue(const std::string& name_space, const std::string& pod,
                                const std::string& name);

  // Messages that wait for the subscription `default`. REQUIRES: a broker runs there.
  void set_messages(const std::string& name_space, const std::string& pod, const std::string& queue,
                    std::uint64_t ready);
  // -1 where there is no such queue.
  std::int64_t messages(const std::string& name_space, const std::string& pod,
                        const std::string& queue) const;

  bool reachable = true;
  bool refuse_settings = false;
  // Sessions go where the Secrets of clients say; then the port of the older key is closed.
  bool sessions_move = true;
  // Pods that have not read their next key yet, and those on whose older port sessions stay.
  std::set<std::string> late_with_key;
  std::set<std::string> with_older_sessions;
  std::uint64_t lost_messages = 0;  // in logs and queues that were removed
  // Told of each queue that goes with its messages.
  std::function<void(const std::string& name_space, const std::string& claim,
                     const link::QueueObservation& queue)>
      on_lost;

 private:
  struct Log {
    std::string name_space;
    std::string claim;
    std::uint64_t leader_epoch = 0;
    std::map<std::string, link::QueueObservation> queues;
  };
  struct Process {
    std::string claim_uid;
    std::uint32_t incarnation = 0;
    bool older_closed = false;
  };

  const Process* process_of(const std::string& name_space, const std::string& pod) const;
  void start(const kube::Json& pod, Process& process);
  void lose(const Log& log, const link::QueueObservation& queue);
  std::string secret_file(const std::string& name_space, const std::string& secret,
                          std::string_view file) const;

  FakeApiServer& api_;
  std::map<std::string, Log> logs_;                                           // by uid of the claim
  std::map<std::string, Process> processes_;                                  // by uid of the pod
  std::map<std::string, std::map<std::string, reconcile::Refusal>> refused_;  // by uid of the pod
  std::uint32_t starts_ = 0;
};

}  // namespace sluice::test
