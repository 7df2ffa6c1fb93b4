#include <algorithm>
#include <utility>

#include "base/log.h"
#include "frontend/broker_host.h"

// The half of BrokerHost that time drives: snapshots, space, syncs now and then.
namespace sluice::frontend {
namespace {

constexpr base::Nanos kHouseInterval{1'000'000'000};
// Compaction goes in steps of less than a millisecond, and copies no faster than this: a disk that
// serves producers has that much to spare. Where space is short, freeing it is what helps them.
constexpr base::Nanos kCompactionInterval{10'000'000};
constexpr double kCopyBytesASecond = 32U << 20;
constexpr double kCopyBytesASecondLow = 256U << 20;
// Between snapshots that damage calls for: it comes in crowds.
constexpr base::Nanos kDamageSnapshotInterval{10'000'000'000};

template <typename T>
void take_earlier(std::optional<T>& due, T other) {
  if (!due || other < *due) due = other;
}

}  // namespace

std::optional<base::MonoTime> BrokerHost::tick(base::Now now) {
  const std::uint64_t read = opened_->messages().read_ahead().finished();
  if (read != reads_seen_) {
    reads_seen_ = read;
    broker_->messages_read(now);
    tick_wanted_ = true;
  }
  if (tick_wanted_ || (broker_due_ && *broker_due_ <= now.mono)) {
    // What time does is seen too; what follows a command was counted with it.
    if (!tick_wanted_) ++changes_;
    tick_wanted_ = false;
    broker_due_ = broker_->tick(now);
  }
  if (house_due_ <= now.mono) {
    house_due_ = now.mono + kHouseInterval;
    look_at_space();
    look_for_backup(now);
    drop_segments();
    free_space();
  } else if (opened_->housekeeper().space_stale()) {
    look_at_space();
  }
  compact(now);
  keep_house(now);
  std::optional<base::MonoTime> due = broker_due_;
  take_earlier(due, std::min(house_due_, compact_due_));
  if (fsync_due_) take_earlier(due, *fsync_due_);
  return due;
}

// For a snapshot. At feature level 2 the side index is a part of it, so that its size does not
// depend on how much waits.
std::vector<std::byte> BrokerHost::broker_state() const {
  return broker_->snapshot(log().feature_level() >= storage::kSideIndexFeatureLevel
                               ? broker::SnapshotForm::kBesideIndex
                               : broker::SnapshotForm::kWhole);
}

void BrokerHost::keep_house(base::Now now) {
  storage::Housekeeper& keeper = opened_->housekeeper();
  if (keeper.snapshot_due()) keeper.begin_snapshot(broker_state());
  if (keeper.newest_snapshot() != snapshot_seen_) {
    snapshot_seen_ = keeper.newest_snapshot();
    snapshot_at_ = now.mono;
    ++snapshots_;
    drop_segments();
  }
  if (auto work = keeper.take_background()) {
    threads_->submit(LogWorkers::Lane::kBackground, std::move(work));
  } else if (auto scrub = opened_->scrubber().take(now.mono)) {
    threads_->submit(LogWorkers::Lane::kBackground, std::move(scrub));
  }
  look_at_findings(now);
  sync_now_and_then(now);
}

void BrokerHost::log_corrupt(const storage::CorruptRange& range, std::string_view found_by) {
  base::log_error("log_corrupt", {{"file", range.file},
                                  {"begin", range.begin.value()},
                                  {"end", range.end.value()},
                                  {"reason", range.reason},
                                  {"found_by", found_by},
                                  {"action", "sluice log verify; docs/operations.md, Repair"}});
}

// Of the scrub, and of reads. A record that is lost costs nothing more where a snapshot lies behind
// it.
void BrokerHost::look_at_findings(base::Now now) {
  storage::Scrubber& scrubber = opened_->scrubber();
  for (const base::Lsn record : opened_->messages().take_met_damage()) scrubber.note_met(record);
  for (const storage::Scrubber::Finding& finding : scrubber.take_findings()) {
    for (const storage::CorruptRange& range : finding.met) log_corrupt(range, "read");
    for (const storage::CorruptRange& range : finding.corrupt) log_corrupt(range, "scrub");
    if (!finding.met.empty() || !finding.corrupt.empty()) damage_wants_snapshot_ = true;
    for (const storage::MessageIndex::SegmentRange& doubtful : finding.doubtful) {
      broker_->look_for_damage(now, doubtful.stream, doubtful.range, finding.begin, finding.end);
      tick_wanted_ = true;
    }
  }
  storage::Housekeeper& keeper = opened_->housekeeper();
  const bool due = damage_wants_snapshot_ && damage_snapshot_due_ <= now.mono;
  if (!due || keeper.snapshot_under_way()) return;
  damage_wants_snapshot_ = false;
  damage_snapshot_due_ = now.mono + kDamageSnapshotInterval;
  keeper.begin_snapshot(broker_state());
}

void BrokerHost::sync_now_and_then(base::Now now) {
  const storage::LogPositions at = log().positions();
  if (!fsync_interval_ || at.durable == at.appended) {
    fsync_due_.reset();
  } else if (!fsync_due_) {
    fsync_due_ = now.mono + *fsync_interval_;
  } else if (*fsync_due_ <= now.mono) {
    fsync_due_.reset();
    log().request_sync();
  }
}

void BrokerHost::look_at_space() {
  const auto space = opened_->housekeeper().space();
  if (!space.has_value()) {
    base::log_warn("disk_space_unknown", {{"reason", space.error().message()}});
    return;
  }
  if (space->low != space_.low) {
    base::log_warn(space->low ? "disk_low" : "disk_low_over",
                   {{"available_bytes", space->disk.available_bytes},
                    {"mark_bytes", space->mark_bytes},
                    {"reserve_bytes", space->reserve_bytes}});
    broker_->set_disk_low(space->low);
  }
  space_ = *space;
}

// A command on this volume may have asked to keep everything while it copies. Whoever may read and
// write the folder needs no key.
void BrokerHost::look_for_backup(base::Now now) {
  storage::BackupPin& pin = opened_->backup_pin();
  const auto tell = [&](std::string_view result) {
    base::log_info("audit", {{"key", ""},
                             {"command", "backup"},
                             {"by", pin.by()},
                             {"result", result},
                             {"end", pin.end().value()}});
  };
  switch (pin.poll(now.wall, space_.low)) {
    case storage::BackupPin::Event::kNone:
      return;
    case storage::BackupPin::Event::kPinned:
      return tell("pinned");
    case storage::BackupPin::Event::kReleased:
      return tell("released");
    case storage::BackupPin::Event::kRevoked:
      return tell("revoked");
  }
}

storage::Housekeeper::AnyLive BrokerHost::any_live() const {
  return [this](const storage::StreamId& stream, base::SequenceRange range) {
    return broker_->any_live(stream, range);
  };
}

storage::Housekeeper::Pinned BrokerHost::pinned() const {
  return [this](base::Lsn begin, base::Lsn end) { return broker_->any_text(begin, end); };
}

void BrokerHost::drop_segments() {
  const std::size_t dropped = opened_->housekeeper().drop_dead_segments(any_live(), pinned());
  if (dropped > 0) base::log_debug("segments_dropped", {{"segments", dropped}});
}

void BrokerHost::compact(base::Now now) {
  if (now.mono < compact_due_) return;
  storage::Housekeeper& keeper = opened_->housekeeper();
  const double seconds = std::min(static_cast<double>(now.mono - compacted_at_) / 1e9, 1.0);
  const double rate = space_.low ? kCopyBytesASecondLow : kCopyBytesASecond;
  keeper.allow_copying(static_cast<std::uint64_t>(seconds * rate));
  storage::LiveMessages live;
  live.next = [this](const storage::StreamId& stream, base::SequenceRange within) {
    return broker_->next_live(stream, within);
  };
  live.sizes = [this](const storage::StreamId& stream, base::SequenceRange run) {
    return broker_->live_sizes(stream, run);
  };
  live.pinned = pinned();
  live.revivals = [this] { return broker_->revivals(); };
  const std::uint64_t before = keeper.compactor().compactions();
  keeper.compact(live);
  if (keeper.compactor().compactions() != before) {
    base::log_debug("compacted", {{"extents", log().segments().extents().size()},
                                  {"copied_bytes", keeper.compactor().copied_bytes()}});
  }
  compacted_at_ = now.mono;
  compact_due_ = now.mono + (keeper.compacting() ? kCompactionInterval : kHouseInterval);
}

// Otherwise a queue that was drained on a full disk would stay refused: without new messages no
// snapshot is due, and without snapshots no segment goes.
void BrokerHost::free_space() {
  storage::Housekeeper& keeper = opened_->housekeeper();
  if (space_.low && keeper.snapshot_would_free(any_live(), pinned())) {
    keeper.begin_snapshot(broker_state());
  }
}

void BrokerHost::find_fsync_interval(base::Now now) {
  fsync_interval_.reset();
  for (const broker::QueueStats& queue : broker_->stats(now).queues) {
    if (queue.config.fsync != broker::FsyncPolicy::kInterval) continue;
    take_earlier(fsync_interval_, base::Nanos(queue.config.fsync_interval));
  }
}

ControlPicture BrokerHost::control_picture(base::Now now) {
  std::vector<broker::QueuePicture> queues = broker_->observe(now);
  std::map<base::QueueId, std::uint64_t> known;  // without those of queues that are gone
  for (broker::QueuePicture& queue : queues) {
    const auto found = manifests_.find(queue.id);
    if (found == manifests_.end()) continue;
    queue.manifest = found->second;
    known.insert(*found);
  }
  manifests_ = std::move(known);
  ControlPicture picture;
  picture.revision = revision_;
  picture.leader_epoch = leader_epoch_.highest();
  picture.log_feature_level = log().feature_level();
  picture.disk_used_bytes = log_bytes();
  picture.disk_free_bytes = space_.disk.available_bytes;
  picture.disk_low = space_.low;
  picture.queues = std::make_shared<const std::vector<broker::QueuePicture>>(std::move(queues));
  return picture;
}

std::uint64_t BrokerHost::log_bytes() const {
  storage::SegmentLog& log = opened_->log();
  std::uint64_t bytes =
      (log.segments().numbers().size() + log.pool().ready()) * log.segment_bytes();
  for (const std::uint64_t number : log.segments().extents()) {
    bytes += log.segments().file_bytes(number);
  }
  return bytes;
}

http::StorageStats BrokerHost::storage_stats(base::Now now) const {
  http::StorageStats stats;
  storage::SegmentLog& log = opened_->log();
  stats.segments = log.segments().numbers().size();
  stats.extents = log.segments().extents().size();
  stats.log_bytes = log_bytes();
  stats.compactions = opened_->housekeeper().compactor().compactions();
  stats.compacted_bytes = opened_->housekeeper().compactor().copied_bytes();
  stats.disk_free_bytes = space_.disk.available_bytes;
  stats.disk_bytes = space_.disk.total_bytes;
  stats.low_mark_bytes = space_.mark_bytes;
  stats.reserve_bytes = space_.reserve_bytes;
  stats.disk_low = space_.low;
  if (snapshot_at_) {
    stats.snapshot_age_seconds = static_cast<double>(now.mono - *snapshot_at_) / 1e9;
  }
  stats.snapshots = snapshots_;
  stats.appended_bytes = log.positions().appended - report().end;
  stats.fsyncs = timing_.fsyncs();
  stats.fsync_seconds = timing_.seconds();
  stats.recovery_seconds = recovery_seconds_;
  stats.recovered_records = report().records;
  const storage::Scrubber::Stats& scrub = opened_->scrubber().stats();
  stats.corrupt_ranges = report().corrupt.size() + scrub.findings + scrub.met;
  stats.scrub_bytes = scrub.bytes;
  stats.scrub_findings = scrub.findings;
  if (scrub.completed_at) {
    stats.scrub_age_seconds = static_cast<double>(now.mono - *scrub.completed_at) / 1e9;
  }
  stats.feature_level = log.feature_level();
  stats.feature_level_supported = options_.log.feature_level_supported;
  return stats;
}

}  // namespace sluice::frontend
