#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "kube/election.h"
#include "kube/event_series.h"
#include "kube/http_api.h"
#include "operator/app/controller.h"
#include "operator/scaler/scaler.h"
#include "tests/sim/operator/broker_field.h"
#include "tests/sim/operator/loop.h"
#include "tests/sim/operator/planted_bugs.h"
#include "tests/sim/operator/sim_transport.h"
#include "tests/support/operator_sim.h"

namespace sluice::sim {

// The clock of one process: time is the world's, the date may be wrong.
class ProcessClock final : public runtime::Clock {
 public:
  explicit ProcessClock(const Loop& loop) : loop_(loop) {}
  base::MonoTime mono_now() const override { return loop_.now(); }
  base::WallTime wall_now() const override;

  base::Millis offset{0};

 private:
  const Loop& loop_;
};

// The date of the world, where nothing is wrong with it.
base::WallTime wall_of(base::MonoTime time);

struct ProcessOptions {
  std::string name_space;  // of the Lease
  std::size_t workers = 2;
  std::string version = "1.0.0";
};

// One process of sluice-operator: the product's own HttpApi, list and watch, caches, work queue,
// election, Events, reconciler and autoscaler, put together as run_operator() does it. Only its
// threads are fibers, and its sockets end in the world.
class OperatorProcess {
 public:
  OperatorProcess(Loop& loop, Network& network, BrokerField& field, reconcile::KeyMaker& keys,
                  const Bugs& bugs, const ProcessOptions& options, std::uint64_t number,
                  std::uint64_t seed);
  // Whatever it does ends where it is.
  ~OperatorProcess();
  OperatorProcess(const OperatorProcess&) = delete;
  OperatorProcess& operator=(const OperatorProcess&) = delete;

  ProcessId id() const { return id_; }
  const std::string& identity() const { return identity_; }
  bool leads() const { return election_.leads(loop_.now()); }
  bool works() const { return works_ && !stopping_; }
  // It has ended by itself, in order or because it lost the Lease.
  bool ended() const { return ended_; }
  void request_stop();

  // There has been a connection to that broker for so long, without a break.
  bool hears(const std::string& name_space, const std::string& pod, base::Nanos time) const;

  ProcessClock clock;
  const base::MonoTime began;
  // When this process last heard a broker's shard, by "NAMESPACE/BROKER#SHARD".
  std::map<std::string, base::MonoTime> heard;

 private:
  void make_controller(reconcile::KeyMaker& keys);
  void make_scaler();
  void spawn(std::function<void()> body) { loop_.spawn(id_, std::move(body)); }
  void reflect(const kube::ResourceType& type, std::uint64_t seed);
  void begin_to_watch();
  void elect();
  void tell_election();
  void work();
  void scale();
  void write_events();
  void supervise();
  bool wait(base::Millis time);
  bool synced() const;
  op::ScalingResults scaling_of(const std::string& key);
  std::optional<std::uint64_t> epoch() const;
  void met_epoch(std::uint64_t epoch);

  Loop& loop_;
  BrokerField& field_;
  const Bugs& bugs_;
  ProcessOptions options_;
  ProcessId id_;
  std::string identity_;
  std::uint64_t seed_;
  SimTransport transport_;
  SimTransport election_transport_;
  std::unique_ptr<kube::HttpTransport> watch_transport_;
  kube::HttpApi http_api_;
  kube::HttpApi election_api_;
  std::unique_ptr<kube::Api> api_;
  kube::Election election_;
  Signal election_signal_;
  Signal scaler_signal_;
  Signal events_signal_;
  Signal state_signal_;
  std::deque<kube::EventNote> notes_;
  op::OperatorCounters counters_;
  SimLinks links_;
  std::unique_ptr<op::Scaler> scaler_;
  std::unique_ptr<op::Controller> controller_;
  std::vector<bool> synced_;
  std::optional<std::uint64_t> told_epoch_;
  bool lost_ = false;
  bool works_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  std::size_t busy_ = 0;  // fibers that an orderly end waits for
};

}  // namespace sluice::sim
