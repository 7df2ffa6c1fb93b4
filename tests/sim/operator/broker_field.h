#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/prng.h"
#include "operator/link/broker_link.h"
#include "tests/sim/operator/fault_options.h"
#include "tests/sim/operator/loop.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_brokers.h"

namespace sluice::sim {

// Where a broker runs.
struct BrokerPlace {
  std::string name_space;
  std::string pod;
  std::string uid;  // of the pod
};

// The control ports of all brokers of a world: who answers at an address, whom nobody reaches for
// a while, and which consumers get nothing new.
class BrokerField {
 public:
  BrokerField(Loop& of_loop, test::FakeApiServer& of_store, test::FakeBrokers& of_brokers,
              const FaultOptions& of_faults, base::Prng of_prng)
      : loop(of_loop), store(of_store), brokers(of_brokers), faults(of_faults), prng(of_prng) {}

  // The broker that runs at tcp://IP:PORT; none = nobody answers there.
  std::optional<BrokerPlace> find(const std::string& endpoint);
  bool is_silent(const BrokerPlace& place) const;
  void silence(const std::string& pod_uid, base::Nanos time);
  void heal() { silent_until_.clear(); }
  // What it tells; nullptr = it has just ended.
  std::shared_ptr<link::BrokerObservation> observation(const BrokerPlace& place);
  base::Result<std::uint64_t> cordon(const BrokerPlace& place, std::uint64_t epoch,
                                     const std::string& consumer, base::Millis lease);
  bool is_cordoned(const BrokerPlace& place, const std::string& consumer) const;
  base::Result<link::QueueRemoval> remove_queue(const BrokerPlace& place, std::uint64_t epoch,
                                                const std::string& queue, link::RemoveMode mode);
  base::Status configure(const BrokerPlace& place, std::uint64_t epoch,
                         const std::string& manifest);

  // Told of each manifest that a broker has taken over its control port.
  std::function<void(const BrokerPlace&, const std::string& manifest)> on_configured;

  // Counts what no version of an object tells.
  void touch() { ++changes; }

  Loop& loop;
  test::FakeApiServer& store;
  test::FakeBrokers& brokers;
  const FaultOptions& faults;
  base::Prng prng;
  std::uint64_t changes = 0;

 private:
  std::uint64_t pods_version_ = 0;
  std::map<std::string, BrokerPlace> places_;  // by IP
  std::map<std::string, base::MonoTime> silent_until_;
  // By pod of the broker, then by consumer. A broker that starts anew knows of none.
  std::map<std::string, std::map<std::string, base::MonoTime>> cordons_;
};

// Links of one process to the brokers of the field. Calls wait inside of their fiber, but cordons,
// whose answers are posted.
class SimLinks final : public link::BrokerLinks {
 public:
  // Since when there is a connection without a break, by "NAMESPACE/POD".
  using Connections = std::map<std::string, base::MonoTime>;

  SimLinks(BrokerField& field, ProcessId process) : field_(field), process_(process) {}

  std::unique_ptr<link::BrokerLink> open(const link::LinkAddress& address,
                                         link::LinkEvents events) override;
  const Connections& connections() const { return *connections_; }

 private:
  BrokerField& field_;
  ProcessId process_;
  std::shared_ptr<Connections> connections_ = std::make_shared<Connections>();
};

}  // namespace sluice::sim
