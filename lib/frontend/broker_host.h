#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "broker/broker.h"
#include "frontend/commands.h"
#include "frontend/control_picture.h"
#include "frontend/effect_gate.h"
#include "frontend/group_timing.h"
#include "frontend/http/process_stats.h"
#include "frontend/leader_epoch.h"
#include "frontend/log_workers.h"
#include "runtime/clock.h"
#include "runtime/file_system.h"
#include "storage/open_log.h"

namespace sluice::frontend {

struct HostOptions {
  HostOptions() { broker.unsent_bytes_max = kUnsentBytesMax; }

  // Enough for a fast reader while a commit takes 50 ms, and little for one that is stuck.
  static constexpr std::uint64_t kUnsentBytesMax = 16ULL << 20;
  std::string folder;
  storage::LogOptions log;
  broker::BrokerOptions broker;
  std::string software;
  // Publishes are not read while more than this waits to be written.
  std::uint64_t unwritten_bytes_max = 16ULL << 20;
  // Who does the file work; empty = threads (LogThread). Given the host's `wake`.
  std::function<std::unique_ptr<LogWorkers>(std::function<void()> wake)> workers;
};

// Why a folder could not be opened, as far as it decides what to do next.
enum class OpenFailure : std::uint8_t { kLocked, kData, kIo };
struct HostError {
  OpenFailure kind = OpenFailure::kIo;
  base::Error error;
};

// A broker on its data folder: the log and its threads, the state machine and the gate that keeps
// its effects until they are committed. Nobody is answered before open() returns: then the folder
// is locked, what was there is recovered and replayed, and the new incarnation is durable.
//
// Owned and called by the loop thread, which repeats: collect(), commands, hand_over(), release(),
// and tick() when it is due. A failed write or sync makes the log dead: collect() says so, and
// nothing may be released any more.
class BrokerHost final : public Commands {
 public:
  // `wake` is called from the log's threads when collect() has something to do. `fs` and `clock`
  // must outlive the host. Throws nothing; on failure returns null and fills `error`.
  static std::unique_ptr<BrokerHost> open(runtime::FileSystem& fs, const runtime::Clock& clock,
                                          const HostOptions& options, std::function<void()> wake,
                                          std::optional<HostError>& error);
  // Waits for work that is out. What was not flushed is left to the next start's recovery.
  ~BrokerHost() override;

  void apply(base::Now now, const broker::OpenSession& command) override;
  void apply(base::Now now, const broker::SessionGone& command) override;
  void apply(base::Now now, const broker::OpenPublisher& command) override;
  void apply(base::Now now, const broker::Publish& command) override;
  void apply(base::Now now, const broker::PublishChunk& command) override;
  void apply(base::Now now, const broker::Attach& command) override;
  void apply(base::Now now, const broker::ChunksSent& command) override;
  void deliveries_left(base::Now now, const broker::DeliveriesLeft& command) override;
  void apply(base::Now now, const broker::Detach& command) override;
  void apply(base::Now now, const broker::Credit& command) override;
  void apply(base::Now now, const broker::Settle& command) override;
  void apply(base::Now now, const broker::Extend& command) override;
  void apply(base::Now now, const broker::DeleteQueue& command) override;
  void apply(base::Now now, const broker::Seek& command) override;
  void apply(base::Now now, const broker::Cordon& command) override;
  void apply(base::Now now, const broker::DiscardDamaged& command) override;
  void apply(base::Now now, const broker::StartTask& command) override;
  void apply(base::Now now, const broker::CancelTask& command) override;
  void apply(base::Now now, const broker::Peek& command) override;
  std::optional<base::QueueId> find_queue(std::string_view name) const override;
  std::optional<base::QueueId> find_task(const base::TaskId& task) const override;
  const broker::QueueConfig* config(const base::QueueId& queue) const override;
  std::uint32_t feature_level() const override { return log().feature_level(); }
  std::uint64_t changes() const override { return changes_; }
  bool removals_durable() const override {
    return broker_->removed_end() <= log().positions().durable;
  }
  base::Lsn appended() const { return log().positions().appended; }
  base::Lsn sync_appended() override {
    log().request_sync();
    return appended();
  }

  // Creates or changes a queue. The caller tells nobody before appended() is durable.
  base::Result<base::QueueId> configure(base::Now now, const broker::QueueConfig& config);
  // Whether configure() would take it, also after `new_ones` other queues are made. Changes
  // nothing.
  base::Status check_configure(const broker::QueueConfig& config, std::size_t new_ones) const {
    return broker_->check_configure({config, {}}, new_ones);
  }

  // The queue goes by this manifest (wire::manifest_revision) from now on; of this process only.
  void note_manifest(const base::QueueId& queue, std::uint64_t revision);

  // Writes and syncs all in this thread. REQUIRES: nothing was handed over yet.
  base::Status flush();

  // Finishes what the log's threads have done. An error: the log is dead.
  base::Status collect();
  // Gives the log's threads what waits for them, if they are idle.
  void hand_over();
  // Passes on every effect that is committed, in order: pass(Effect&&).
  template <typename Pass>
  void release(Pass&& pass) {
    gate_.release(log().positions(), std::forward<Pass>(pass));
    opened_->housekeeper().set_released(log().positions().durable);
  }
  // Time-driven work of the broker and of the house. Must be called after commands, and at the time
  // that it returned (nullopt = only after commands).
  std::optional<base::MonoTime> tick(base::Now now);
  // Commands were applied, or old messages were brought in, since the last tick.
  bool tick_wanted() const {
    return tick_wanted_ || opened_->messages().read_ahead().finished() != reads_seen_;
  }
  // The caller takes no publishes while this is true.
  bool congested() const { return log().unwritten_bytes() > options_.unwritten_bytes_max; }

  // --- Orderly stop: drain() until nothing is held any more, then close().
  // Ends the log's threads, writes and syncs all.
  base::Status drain();
  // Leaves a snapshot that says that nothing is missing. Nothing may be applied afterwards.
  base::Status close();

  // For a broker that has been idle: memory that only speeds things up goes back.
  void trim_memory();

  storage::LogPositions positions() const { return log().positions(); }
  EffectGate& gate() { return gate_; }
  storage::MessageStore& messages() { return opened_->messages(); }
  std::uint32_t incarnation() const { return incarnation_; }
  const storage::RecoveryReport& report() const { return opened_->report(); }
  // Rises with every change of a queue's configuration in this process.
  std::uint64_t revision() const { return revision_; }
  broker::BrokerStats broker_stats(base::Now now) const { return broker_->stats(now); }
  http::StorageStats storage_stats(base::Now now) const;
  // All but what the doors know.
  ControlPicture control_picture(base::Now now);
  LeaderEpoch& leader_epoch() { return leader_epoch_; }

 private:
  BrokerHost(runtime::FileSystem& fs, const runtime::Clock& clock, const HostOptions& options,
             std::unique_ptr<storage::OpenedLog> opened);

  storage::SegmentLog& log() { return opened_->log(); }
  const storage::SegmentLog& log() const { return opened_->log(); }
  base::Status recover(base::Now now);
  base::Status replay();
  template <typename Command>
  void forward(base::Now now, const Command& command);
  std::vector<std::byte> broker_state() const;
  void keep_house(base::Now now);
  static void log_corrupt(const storage::CorruptRange& range, std::string_view found_by);
  void look_at_findings(base::Now now);
  void look_at_space();
  std::uint64_t log_bytes() const;
  void look_for_backup(base::Now now);
  // What the broker still needs of the log.
  storage::Housekeeper::AnyLive any_live() const;
  storage::Housekeeper::Pinned pinned() const;
  void drop_segments();
  void free_space();
  void compact(base::Now now);
  void sync_now_and_then(base::Now now);
  void find_fsync_interval(base::Now now);

  const HostOptions options_;
  std::unique_ptr<storage::OpenedLog> opened_;
  EffectGate gate_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<LogWorkers> threads_;
  GroupTiming timing_;
  LeaderEpoch leader_epoch_;
  std::map<base::QueueId, std::uint64_t> manifests_;  // revisions of those that are in force

  std::uint64_t changes_ = 0;
  std::uint32_t incarnation_ = 0;
  std::uint64_t revision_ = 0;
  double recovery_seconds_ = 0;
  bool tick_wanted_ = true;
  std::optional<base::MonoTime> broker_due_;
  base::MonoTime house_due_;
  base::MonoTime compact_due_;
  bool damage_wants_snapshot_ = false;
  base::MonoTime damage_snapshot_due_;  // not before
  base::MonoTime compacted_at_;
  std::uint64_t reads_seen_ = 0;               // of the read-ahead's work, told to the broker
  std::optional<base::Nanos> fsync_interval_;  // of the queues that sync now and then
  std::optional<base::MonoTime> fsync_due_;    // set while something is not durable
  std::uint64_t snapshots_ = 0;
  base::Lsn snapshot_seen_;
  std::optional<base::MonoTime> snapshot_at_;
  storage::Housekeeper::Space space_;
};

}  // namespace sluice::frontend
