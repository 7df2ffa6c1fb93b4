#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/buggify.h"
#include "base/cover.h"
#include "base/prng.h"
#include "broker/config.h"
#include "runtime/memory_file_system.h"
#include "tests/sim/broker/broker_process.h"
#include "tests/sim/broker/checkers.h"
#include "tests/sim/broker/client_process.h"
#include "tests/sim/broker/control_peer.h"
#include "tests/sim/broker/guard.h"
#include "tests/sim/broker/hostile_peer.h"
#include "tests/sim/broker/network.h"
#include "tests/sim/broker/scheduler.h"
#include "tests/sim/broker/sim_options.h"
#include "tests/sim/broker/told_queues.h"
#include "tests/sim/sim_main.h"

namespace sluice::sim {

// One run: a machine with a broker, its disk and its clock, a network, and the processes of a
// workload. First the safety phase, in which faults happen; then the liveness phase, in which
// nothing happens any more, and everything must drain.
class World final : public base::SimHooks {
 public:
  explicit World(const SimOptions& options);
  ~World() override;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Verdict run();
  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint64_t hash() const { return scheduler_.hash(); }
  // For people: what happened, in numbers.
  std::string summary() const;

  // --- For workloads, before run().
  void add_queue(broker::QueueConfig config, const QueueRules& rules);
  // Also a subscription that is not declared is taken in the liveness phase.
  void add_drained(std::string queue, std::string subscription) {
    drained_.emplace_back(std::move(queue), std::move(subscription));
  }
  // A process that is made again when it died.
  void add_client(std::string name, ClientProcess::Body body);
  // A consumer that takes everything in the liveness phase.
  using Drain =
      std::function<ClientProcess::Body(const std::string& queue, const std::string& subscription)>;
  void set_drain(Drain drain) { drain_ = std::move(drain); }
  // The queue is removed and made again over and over. REQUIRES: told.
  void set_removals(std::string queue) { removals_.push_back(std::move(queue)); }
  // Looked at when all has drained.
  void set_check(std::function<void(World&)> check) { check_ = std::move(check); }

  // --- For clients.
  std::uint64_t next_tag() { return ++last_tag_; }
  const SimOptions& options() const { return options_; }
  SimClock& clock() { return clock_; }
  bool in_liveness() const { return liveness_; }
  const Checkers& checkers() const { return checkers_; }
  // Messages that the broker counts as lost with the medium, at the end.
  std::uint64_t damaged() const { return damaged_; }
  // None while the broker does not run, or has no such queue.
  std::optional<base::QueueId> queue_id(const std::string& name) const;
  void complain(std::string text);
  // What clients know: a publish was confirmed; a message was in somebody's hands.
  void note_stored(std::uint64_t tag) { stored_.insert(tag); }
  void note_taken(std::uint64_t tag) { (liveness_ ? taken_late_ : taken_).insert(tag); }
  const std::set<std::uint64_t>& stored() const { return stored_; }
  bool was_taken(std::uint64_t tag) const {
    return taken_.contains(tag) || taken_late_.contains(tag);
  }
  const std::set<std::uint64_t>& taken_in_liveness() const { return taken_late_; }

  // --- SimHooks.
  bool buggify(std::string_view place) override;
  bool planted(std::string_view bug) override { return bug == options_.bug; }
  void cover(const base::CoverMark& mark) override;
  // How often each was passed, in all worlds of this process.
  static std::map<std::string, std::uint64_t>& covered();

 private:
  struct Slot {
    std::string name;
    ClientProcess::Body body;
    unsigned lives = 0;
    std::unique_ptr<ClientProcess> process;
  };

  // --- The broker.
  void start_broker();
  void check_recovery();
  void bury_broker();
  void schedule_start(base::Nanos after);
  bool broker_runs() const { return broker_ != nullptr && !broker_->is_dead(); }
  void stop_in_order();

  // --- Faults.
  void schedule_fault(Fault fault, double per_minute);
  void inject(Fault fault);
  void fail_disk();
  void fill_disk();
  void flip_bit();
  void rot_record();
  void hurt_link(Fault fault);
  void hurt_client(Fault fault);
  void change_queue();
  void change_keys();
  void set_rights(bool consumers_may_consume);

  // --- What the control port tells of queues: world_control.cc.
  void threaten_answer();
  void tell_queue(const std::string& name);
  void tell_as_old_leader(const std::string& name);
  void remove_queue(const std::string& name);
  void schedule_removal(const std::string& name);
  void check_told();
  void tell_again();
  bool was_refused(const std::string& name, wire::Code code, const std::string& why);

  void spawn(Slot& slot);
  bool step();
  bool run_safety();
  bool run_liveness();
  void begin_liveness();
  bool is_drained();
  void check_restarts();
  void tell_rest();

  const SimOptions options_;
  Scheduler scheduler_;
  SimClock clock_{scheduler_};
  base::Prng prng_;
  base::Prng buggify_prng_;
  runtime::MemoryFileSystem disk_;
  DiskPace pace_;
  DiskLies lies_;
  Network network_;
  Checkers checkers_;
  BrokerSettings settings_;
  Guard guard_;
  ToldQueues told_;
  std::set<std::string> telling_;     // queues of which a call is under way
  std::set<std::string> unanswered_;  // the last call got no answer
  std::map<std::string, broker::QueueConfig, std::less<>> manifests_;
  bool made_ = false;  // the queues, once
  bool checking_restarts_ = false;
  std::vector<std::string> removals_;
  std::unique_ptr<BrokerProcess> broker_;
  HostilePeer hostile_;
  std::unique_ptr<ControlPeer> control_;
  std::deque<Slot> slots_;
  Drain drain_;
  std::function<void(World&)> check_;
  std::vector<std::pair<std::string, std::string>> drained_;  // beside the declared ones

  bool liveness_ = false;
  bool ending_ = false;  // whatever still runs does not matter
  bool disk_limited_ = false;
  bool disk_hurt_ = false;  // an operation is to fail
  bool flipped_ = false;
  std::uint64_t rotted_ = 0;   // messages in records that may be unreadable
  bool facts_rotted_ = false;  // so a start may know less than the broker before it
  unsigned failed_starts_ = 0;
  std::string start_error_;  // of the last one that failed
  std::uint64_t lives_ = 0;
  std::map<std::string, bool, std::less<>> places_;  // BUGGIFY: active in this run
  std::map<std::string, std::uint64_t> happened_;
  std::uint64_t last_tag_ = 0;
  std::uint64_t damaged_ = 0;
  std::set<std::uint64_t> stored_;
  std::set<std::uint64_t> taken_;
  std::set<std::uint64_t> taken_late_;  // in the liveness phase
  std::vector<std::string> complaints_;
  std::size_t complaints_seen_ = 0;
};

}  // namespace sluice::sim
