#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/operator/checks.h"
#include "tests/sim/operator/fault_options.h"
#include "tests/sim/operator/operator_process.h"
#include "tests/sim/operator/scenario.h"
#include "tests/sim/operator/users_sim.h"
#include "tests/sim/sim_main.h"
#include "tests/support/fake_controllers.h"

namespace sluice::sim {

// One run: a cluster with brokers, applications, people, and one or two operators. At first with
// everything that the seed has drawn, then without faults until it comes to rest, then some minutes
// in which the operator has nothing to write.
class World {
 public:
  explicit World(const Request& request);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Outcome run();

 private:
  static constexpr const char* kNameSpace = "shop";

  struct Operator {
    std::unique_ptr<OperatorProcess> process;
    base::MonoTime start_at;
    base::Millis clock_offset{0};  // of the machine that it runs on
  };

  void play(const ScenarioStep& step);
  void play_operator(const std::vector<std::string>& words);
  const QueueSlot& slot_named(const std::string& name) const;
  void every(base::Nanos period, const std::function<void()>& call);
  void start_operator(Operator& one);
  void second();
  void second_of_faults();
  void step_cluster();
  OperatorProcess* process_of(ProcessId id);
  void crash(ProcessId id);
  void end_namespace();
  void empty_namespace();
  void heal();
  // "" = everything is as it should be; else what is not.
  std::string unrest();
  std::string objects_unrest(const QueueSlot& slot, const std::string& manifest);
  std::string unrest_of(const QueueSlot& slot, const kube::Json& queue);
  std::string keys_unrest(const QueueSlot& slot);
  std::string volumes_unrest(const QueueSlot& slot);
  std::string namespace_unrest();
  std::string scaling_unrest();
  Outcome outcome_of_new_operators();
  std::vector<std::string> drawn_options() const;
  Outcome outcome(Verdict verdict, std::string what);

  Request request_;
  base::Prng prng_;
  std::optional<Scenario> scenario_;
  FaultOptions drawn_;
  FaultOptions faults_;  // in force
  const Workload& workload_;
  Loop loop_;
  test::FakeApiServer store_;
  ApiSim api_;
  test::FakeControllers controllers_{store_};
  test::FakeBrokers brokers_{store_};
  std::vector<QueueSlot> slots_;
  BrokerField field_;
  ConsumersSim consumers_;
  Checks checks_;
  UsersSim users_;
  Network network_;
  Bugs bugs_;
  test::CountingKeyMaker keys_;
  ProcessOptions process_options_;
  std::vector<Operator> operators_;
  std::uint64_t started_ = 0;
  std::uint64_t cluster_version_ = 0;
  base::Millis safety_;
  bool healed_ = false;
  bool namespace_ended_ = false;
};

}  // namespace sluice::sim
