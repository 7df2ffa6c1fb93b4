#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "broker/config.h"
#include "frontend/broker_host.h"
#include "frontend/frame_dispatch.h"
#include "frontend/frame_output.h"
#include "frontend/session_table.h"
#include "tests/sim/broker/frame_tap.h"
#include "tests/sim/broker/guard.h"
#include "tests/sim/broker/network.h"
#include "tests/sim/broker/scheduler.h"
#include "tests/sim/broker/sim_file_system.h"
#include "tests/sim/broker/sim_workers.h"

namespace sluice::sim {

struct BrokerSettings {
  storage::LogOptions log;
  broker::BrokerOptions broker;
  base::Millis session_ttl{10'000};
  std::vector<broker::QueueConfig> queues;
  bool configures = true;       // a start has manifests of all queues
  bool forgets_timers = false;  // a planted bug: what is due is done when something else happens
};

// One life of the broker's process: the real host, dispatch and session table under the scheduler,
// with the loop of BrokerServer around them. It dies by kill(), or by itself in the midst of
// something (die_after...), which is_dead() tells.
class BrokerProcess final : public BrokerEnd, private frontend::FrameOutput {
 public:
  struct Parts {
    Scheduler& scheduler;
    SimClock& clock;
    runtime::MemoryFileSystem& disk;
    Network& network;
    FrameTap& tap;
    const DiskPace& pace;
    const DiskLies& lies;
    const Guard* guard;  // null: everybody may do everything
    // What a manifest of CONFIGURE stands for.
    std::function<broker::QueueConfig(std::string_view)> read_manifest;
  };
  BrokerProcess(Parts parts, BrokerSettings settings, std::uint64_t seed);
  ~BrokerProcess() override;

  // Recovers and configures its queues; `die_after` disk operations it dies on the way. An error
  // without having died: the data was not taken.
  base::Status start(std::optional<std::uint64_t> die_after);
  // Everything is written and marked clean; is_dead() afterwards. Nothing: it died before.
  std::optional<base::Status> stop_in_order();
  void kill();

  // --- Faults.
  void pause_until(base::MonoTime until);
  void die_after_operations(std::uint64_t count) { fs_->die_after(count); }
  void die_after_sends(std::uint64_t count) { sends_left_ = count; }
  // What was to kill it later will not.
  void live_on() {
    fs_->live_on();
    sends_left_.reset();
  }
  base::Status configure(const broker::QueueConfig& config);
  // The guard's ring is another one.
  void change_keys();

  bool is_dead() const { return dead_ || fs_->dead(); }
  // Why it ended by itself.
  const base::Status& failure() const { return failure_; }
  // What left that must not have; empty = nothing.
  const std::string& complaint() const { return complaint_; }
  frontend::BrokerHost& host() { return *host_; }
  // When it has to do something by itself.
  std::optional<base::MonoTime> due() const { return host_due_; }
  const frontend::FrameDispatch& dispatch() const { return *dispatch_; }
  void wake() { schedule_round(parts_.scheduler.now()); }

  void on_frame(frontend::Peer peer, Bytes frame) override;

 private:
  frontend::SendResult send(frontend::Peer peer, base::ByteView frame) override;
  frontend::SendResult send(frontend::Peer peer, std::size_t bytes, const Fill& fill) override;
  void send_or_drop(frontend::Peer peer, base::ByteView frame) override;
  void forget(frontend::Peer /*peer*/) override {}
  frontend::SendResult pass_on(frontend::Peer peer, Bytes frame);

  frontend::DispatchHooks dispatch_hooks();
  void schedule_round(base::MonoTime at);
  void round();
  void release(base::Now now);
  void plan_next(base::Now now);

  Parts parts_;
  BrokerSettings settings_;
  base::Prng prng_;
  std::unique_ptr<SimFileSystem> fs_;
  std::unique_ptr<frontend::BrokerHost> host_;
  std::unique_ptr<frontend::SessionTable> sessions_;
  std::unique_ptr<frontend::FrameDispatch> dispatch_;
  std::deque<std::pair<frontend::Peer, Bytes>> inbox_;
  std::optional<base::MonoTime> host_due_;
  std::optional<base::MonoTime> next_round_;
  base::MonoTime paused_until_;
  std::optional<std::uint64_t> sends_left_;
  base::Status failure_;
  std::string complaint_;
  bool dead_ = false;
  bool collect_wanted_ = false;
  std::shared_ptr<bool> alive_;
};

}  // namespace sluice::sim
