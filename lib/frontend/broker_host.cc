#include "frontend/broker_host.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "frontend/log_thread.h"
#include "storage/segment_header.h"

namespace sluice::frontend {
namespace {

// More starts than the original of a restored log can have had since, and not the same for two
// copies of it: so no receipt of one proves anything to another.
std::uint32_t draw_incarnations_skipped(const base::Id128& random) {
  constexpr std::uint32_t kMin = 1U << 20;
  return kMin + base::load<std::uint32_t>(std::as_bytes(std::span(random.bytes)).data()) % kMin;
}

base::Error locked_or(const base::Error& error, bool locked) {
  return locked ? error.with_prefix("the data folder is in use") : error;
}

}  // namespace

std::unique_ptr<BrokerHost> BrokerHost::open(runtime::FileSystem& fs, const runtime::Clock& clock,
                                             const HostOptions& options, std::function<void()> wake,
                                             std::optional<HostError>& error) {
  const base::MonoTime begin = clock.mono_now();
  auto opened = storage::open_log(fs, options.folder, options.log);
  if (!opened.has_value()) {
    const base::Error& why = opened.error();
    OpenFailure kind = OpenFailure::kIo;
    if (why.code() == base::ErrorCode::kFailedPrecondition) {
      const auto lock = fs.lock(storage::lock_path(options.folder), options.log.owner);
      kind = lock.has_value() ? OpenFailure::kData : OpenFailure::kLocked;
    } else if (why.code() == base::ErrorCode::kCorruption) {
      kind = OpenFailure::kData;
    }
    error = HostError{kind, locked_or(why, kind == OpenFailure::kLocked)};
    return nullptr;
  }
  std::unique_ptr<BrokerHost> host(new BrokerHost(fs, clock, options, std::move(*opened)));
  const base::Status status = host->recover(clock.now());
  if (!status.has_value()) {
    const bool io = status.error().code() == base::ErrorCode::kIo ||
                    status.error().code() == base::ErrorCode::kResourceExhausted;
    error = HostError{io ? OpenFailure::kIo : OpenFailure::kData, status.error()};
    return nullptr;
  }
  host->recovery_seconds_ = static_cast<double>(clock.mono_now() - begin) / 1e9;
  if (options.workers) {
    host->threads_ = options.workers(std::move(wake));
  } else {
    host->threads_ = std::make_unique<LogThread>(std::move(wake));
  }
  return host;
}

BrokerHost::BrokerHost(runtime::FileSystem& fs, const runtime::Clock& clock,
                       const HostOptions& options, std::unique_ptr<storage::OpenedLog> opened)
    : options_(options),
      opened_(std::move(opened)),
      broker_(std::make_unique<broker::Broker>(options.broker, opened_->log(), opened_->messages(),
                                               opened_->side_index(), gate_)),
      timing_(clock),
      leader_epoch_(fs, options.folder) {}

BrokerHost::~BrokerHost() {
  if (threads_ == nullptr) return;
  threads_->stop();
  threads_->run_completions();
}

base::Status BrokerHost::recover(base::Now now) {
  const storage::RecoveryReport& report = opened_->report();
  for (const storage::CorruptRange& range : report.corrupt) {
    log_corrupt(range, "start");
  }
  for (const std::string& reason : report.bad_snapshots) {
    base::log_warn("snapshot_bad", {{"reason", reason}});
  }
  RETURN_IF_ERROR(replay());
  RETURN_IF_ERROR(opened_->side_index().status());
  const storage::Appended incarnation =
      broker_->start(now, report.unclean, report.log_id, options_.software,
                     report.restored ? draw_incarnations_skipped(options_.log.random_id()) : 0);
  for (const storage::MessageIndex::SegmentRange& lost : report.lost) {
    broker_->look_for_damage(now, lost.stream, lost.range, base::Lsn(), base::Lsn());
  }
  incarnation_ = broker_->stats(now).incarnation;
  RETURN_IF_ERROR(flush());
  CHECK(log().positions().durable >= incarnation.end);
  RETURN_IF_ERROR(opened_->finish_restore());
  find_fsync_interval(now);
  house_due_ = now.mono;
  snapshot_seen_ = opened_->housekeeper().newest_snapshot();
  base::log_info("recovered", {{"created", report.created},
                               {"feature_level", log().feature_level()},
                               {"feature_level_supported", options_.log.feature_level_supported},
                               {"unclean", report.unclean},
                               {"restored", report.restored},
                               {"incarnation", incarnation_},
                               {"records", report.records},
                               {"cut_bytes", report.cut_bytes},
                               {"rewritten_bytes", report.rewritten_bytes}});
  return {};
}

base::Status BrokerHost::replay() {
  if (!opened_->broker_state().empty()) {
    RETURN_IF_ERROR(broker_->restore(opened_->broker_state()));
    opened_->drop_broker_state();
  }
  std::uint64_t left_out = 0;
  RETURN_IF_ERROR(opened_->replay([&](const storage::RecordView& view) -> base::Status {
    base::Status status = broker_->replay(view);
    // Where records are known to be missing, others may make no sense without them: they are left
    // out, and the broker stays up with the rest. In a whole log that would be a bug.
    if (status.has_value() || opened_->report().corrupt.empty()) return status;
    if (left_out++ < 10) {
      base::log_error("record_left_out",
                      {{"lsn", view.begin.value()}, {"reason", status.error().message()}});
    }
    return {};
  }));
  if (left_out > 0) base::log_error("records_left_out", {{"records", left_out}});
  return {};
}

template <typename Command>
void BrokerHost::forward(base::Now now, const Command& command) {
  tick_wanted_ = true;
  ++changes_;
  broker_->apply(now, command);
}

void BrokerHost::apply(base::Now now, const broker::OpenSession& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::SessionGone& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::OpenPublisher& command) {
  forward(now, command);
}
void BrokerHost::apply(base::Now now, const broker::Publish& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::PublishChunk& command) {
  forward(now, command);
}
void BrokerHost::apply(base::Now now, const broker::ChunksSent& command) { forward(now, command); }
// Nobody watches how fast a client reads.
void BrokerHost::deliveries_left(base::Now now, const broker::DeliveriesLeft& command) {
  tick_wanted_ = true;
  broker_->apply(now, command);
}
void BrokerHost::apply(base::Now now, const broker::Attach& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Detach& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Credit& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Settle& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Extend& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::DeleteQueue& command) {
  forward(now, command);
  if (broker_->config(command.queue) == nullptr) ++revision_;
}
void BrokerHost::apply(base::Now now, const broker::Cordon& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Seek& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::DiscardDamaged& command) {
  forward(now, command);
}
void BrokerHost::apply(base::Now now, const broker::StartTask& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::CancelTask& command) { forward(now, command); }
void BrokerHost::apply(base::Now now, const broker::Peek& command) { forward(now, command); }

std::optional<base::QueueId> BrokerHost::find_queue(std::string_view name) const {
  return broker_->find_queue(name);
}

std::optional<base::QueueId> BrokerHost::find_task(const base::TaskId& task) const {
  return broker_->find_task(task);
}

const broker::QueueConfig* BrokerHost::config(const base::QueueId& queue) const {
  return broker_->config(queue);
}

base::Result<base::QueueId> BrokerHost::configure(base::Now now,
                                                  const broker::QueueConfig& config) {
  tick_wanted_ = true;
  const base::Lsn before = appended();
  ASSIGN_OR_RETURN(const base::QueueId queue,
                   broker_->configure(now, {config, base::QueueId(options_.log.random_id())}));
  if (appended() != before) {
    ++revision_;
    ++changes_;
    find_fsync_interval(now);
  }
  return queue;
}

void BrokerHost::note_manifest(const base::QueueId& queue, std::uint64_t revision) {
  manifests_[queue] = revision;
  ++changes_;
}

base::Status BrokerHost::collect() {
  threads_->run_completions();
  RETURN_IF_ERROR(opened_->side_index().status());
  return log().status();
}

void BrokerHost::hand_over() {
  if (auto group = log().take_group()) {
    threads_->submit(LogWorkers::Lane::kGroups, timing_.measure(std::move(group)));
  }
  if (auto reading = opened_->messages().read_ahead().take()) {
    threads_->submit(LogWorkers::Lane::kReads, std::move(reading));
  }
}

base::Status BrokerHost::flush() {
  log().request_sync();
  RETURN_IF_ERROR(log().flush());
  // What was flushed may have been taken before the sync was asked for.
  log().request_sync();
  return log().flush();
}

base::Status BrokerHost::drain() {
  threads_->stop();
  threads_->run_completions();
  RETURN_IF_ERROR(log().status());
  return flush();
}

base::Status BrokerHost::close() {
  storage::Housekeeper& keeper = opened_->housekeeper();
  const auto finish = [&]() -> base::Status {
    RETURN_IF_ERROR(log().flush());
    while (!keeper.idle()) {
      const auto work = keeper.take_background();
      if (work == nullptr) break;
      work->finish(work->run());
      RETURN_IF_ERROR(log().flush());
    }
    return {};
  };
  RETURN_IF_ERROR(finish());
  keeper.mark_clean(broker_state());
  RETURN_IF_ERROR(finish());
  return keeper.snapshot_status();
}

void BrokerHost::trim_memory() { opened_->trim_memory(); }

}  // namespace sluice::frontend
