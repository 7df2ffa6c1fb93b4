#include "storage/open_log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/cover.h"
#include "storage/backup_manifest.h"
#include "storage/fact_codec.h"
#include "storage/readable_entries.h"
#include "storage/record_codec.h"
#include "storage/tail_rewrite.h"

namespace sluice::storage {

using base::Lsn;
using base::Result;
using base::Status;

namespace {

// Carries out what recovery decided. Every step can be repeated by the next start.
class Opening {
 public:
  Opening(runtime::FileSystem& fs, const std::string& folder, const LogOptions& options,
          RecoveryPlan& plan)
      : fs_(fs),
        folder_(folder),
        segments_(segments_folder(folder)),
        options_(options),
        plan_(plan) {}

  Result<LogState> run() {
    RETURN_IF_ERROR(tidy());
    if (plan_.segments.empty()) RETURN_IF_ERROR(create());
    if (plan_.rewrite) RETURN_IF_ERROR(rewrite());
    RETURN_IF_ERROR(allocate_active());
    return state();
  }

 private:
  Status tidy();
  Status tidy_snapshots();
  Status check_room() const;
  Status create();
  Status rewrite();
  std::vector<std::byte> mark() const;
  std::optional<std::string> take_spare();
  Status allocate_active();
  Result<std::uint64_t> snapshot_reserve_bytes() const;
  Result<LogState> state() const;

  runtime::FileSystem& fs_;
  std::string folder_;
  std::string segments_;
  const LogOptions& options_;
  RecoveryPlan& plan_;
};

Status Opening::tidy() {
  for (const std::string& path : plan_.files.leftovers) {
    // An unfinished snapshot may have been written over the reserve's file.
    if (path.starts_with(snapshots_folder(folder_)) && !plan_.files.snapshot_reserve) {
      const std::string reserve = reserve_folder(folder_) + "/" + kSnapshotReserveName;
      RETURN_IF_ERROR(fs_.rename(path, reserve));
      plan_.files.snapshot_reserve = true;
    } else {
      RETURN_IF_ERROR(fs_.remove(path));
    }
  }
  for (const std::uint64_t number : plan_.empty) {
    RETURN_IF_ERROR(fs_.remove(segments_ + "/" + segment_name(number)));
  }
  for (const std::uint64_t number : plan_.orphans) {
    const std::string path = segments_ + "/" + segment_name(number);
    RETURN_IF_ERROR(fs_.rename(path, path + std::string(kOrphanSuffix)));
  }
  RETURN_IF_ERROR(tidy_snapshots());
  // Also for names that an earlier process did not live to sync.
  RETURN_IF_ERROR(fs_.sync_folder(segments_));
  // This before the folder that something was moved to: it is to have one name at any time.
  RETURN_IF_ERROR(fs_.sync_folder(snapshots_folder(folder_)));
  return fs_.sync_folder(reserve_folder(folder_));
}

Status Opening::tidy_snapshots() {
  for (const Lsn lsn : plan_.snapshots.bad) {
    const std::string path = snapshots_folder(folder_) + "/" + snapshot_name(lsn);
    RETURN_IF_ERROR(fs_.rename(path, path + std::string(kBadSuffix)));
  }
  // What stays was looked at page by page.
  const std::string damaged = side_damage_file(folder_);
  if (fs_.open(damaged, runtime::OpenMode::kRead)) {
    RETURN_IF_ERROR(fs_.sync_folder(snapshots_folder(folder_)));
    RETURN_IF_ERROR(fs_.remove(damaged));
  }
  // A removal that a power loss undid.
  const std::vector<Lsn>& good = plan_.snapshots.good;
  for (const Lsn lsn : plan_.files.snapshots) {
    if (good.size() < 2 || lsn >= good.front()) continue;
    RETURN_IF_ERROR(fs_.remove(snapshots_folder(folder_) + "/" + snapshot_name(lsn)));
  }
  return {};
}

// A disk that holds no more than the first segment and the reserve would refuse every publish.
Status Opening::check_room() const {
  constexpr std::uint64_t kSegmentsMin = 4;
  const std::uint64_t needed = kSegmentsMin * options_.segment_bytes;
  ASSIGN_OR_RETURN(const runtime::DiskSpace disk, fs_.space(folder_));
  if (disk.available_bytes >= needed) return {};
  return base::resource_exhausted(
      folder_ + ": the disk has " + std::to_string(disk.available_bytes) +
      " B free, and a new log needs at least " + std::to_string(kSegmentsMin) + " segments of " +
      std::to_string(options_.segment_bytes) +
      " B: take a larger disk or smaller segments (--segment-bytes)");
}

Status Opening::create() {
  RETURN_IF_ERROR(check_room());
  SegmentHeader header;
  header.number = 1;
  header.feature_level =
      options_.feature_level > 0 ? options_.feature_level : options_.feature_level_supported;
  plan_.feature_level = header.feature_level;
  header.segment_bytes = options_.segment_bytes;
  header.uuid = options_.random_id();
  header.log_id = options_.random_id();
  SegmentSource source;
  ASSIGN_OR_RETURN(const SegmentFile segment, create_segment(fs_, segments_, header, source));
  FoundSegment found;
  found.extent = {header.number, header.segment_bytes, header.uuid_prefix()};
  found.header = header;
  found.file = segment.file;
  plan_.segments.push_back(std::move(found));
  plan_.segment_bytes = header.segment_bytes;
  plan_.report.log_id = header.log_id;
  plan_.report.end = header.data_begin();
  plan_.report.proven = header.data_begin();
  return {};
}

Status Opening::rewrite() {
  FoundSegment& last = plan_.segments.back();
  const std::uint64_t bytes = std::min(plan_.report.end - last.extent.base(), plan_.segment_bytes);
  std::vector<std::byte> record;
  if (plan_.mark) record = mark();
  if (bytes + record.size() > plan_.segment_bytes) record.clear();
  const auto attempt = [&](const std::optional<std::string>& into) {
    return rewrite_segment(fs_, segments_, last.extent.number, *last.file, bytes, record, into);
  };
  auto file = attempt(std::nullopt);
  if (!file && file.error().code() == base::ErrorCode::kResourceExhausted) {
    RETURN_IF_ERROR(fs_.remove(segments_ + "/" + segment_name(last.extent.number) +
                               std::string(kTemporarySuffix)));
    if (const auto spare = take_spare()) file = attempt(spare);
  }
  if (!file) return file.error().with_prefix("the end of the log could not be made durable");
  last.file = std::move(file).value();
  plan_.report.rewritten_bytes = bytes;
  plan_.report.end = plan_.report.end + record.size();
  COVER("tail written again");
  return {};
}

// A record that says nothing, but how far the log is durable.
std::vector<std::byte> Opening::mark() const {
  std::vector<std::byte> payload;
  encode(SegmentsDroppedFact(), payload);
  const Lsn end = plan_.report.end;
  std::vector<std::byte> record(record_bytes(payload.size(), 0));
  const std::uint32_t uuid = plan_.segments.back().extent.uuid_prefix.value_or(0);
  encode_record(RecordType::kSegmentsDropped, payload, {}, {uuid, end, end}, record.data());
  return record;
}

std::optional<std::string> Opening::take_spare() {
  LogFiles& files = plan_.files;
  std::vector<std::string>& names = files.reserve.empty() ? files.pool : files.reserve;
  if (names.empty()) return std::nullopt;
  const std::string path =
      (files.reserve.empty() ? segments_ : reserve_folder(folder_)) + "/" + names.back();
  names.pop_back();
  return path;
}

// The end of the log may lie in a file that grows. Where there is no space, it goes on growing.
Status Opening::allocate_active() {
  Status allocated = plan_.segments.back().file->allocate(plan_.segment_bytes);
  if (!allocated && allocated.error().code() != base::ErrorCode::kResourceExhausted) {
    return allocated;
  }
  return {};
}

Result<std::uint64_t> Opening::snapshot_reserve_bytes() const {
  if (!plan_.files.snapshot_reserve) return std::uint64_t{0};
  const std::string path = reserve_folder(folder_) + "/" + kSnapshotReserveName;
  ASSIGN_OR_RETURN(const auto file, fs_.open(path, runtime::OpenMode::kRead));
  return file->size();
}

Result<LogState> Opening::state() const {
  LogState state;
  const FoundSegment& last = plan_.segments.back();
  state.log_id = plan_.report.log_id;
  state.feature_level = plan_.feature_level;
  state.segment_bytes = plan_.segment_bytes;
  state.end = plan_.report.end;
  state.active.file = last.file;
  state.active.header = last.header.value_or(SegmentHeader());
  state.active.header.number = last.extent.number;
  state.active.header.segment_bytes = plan_.segment_bytes;
  state.active_uuid_prefix = last.extent.uuid_prefix.value_or(0);
  for (const FoundSegment& segment : plan_.segments) state.segments.push_back(segment.extent);
  for (const SegmentExtent& extent : plan_.extents) state.segments.push_back(extent);
  state.pool_files = plan_.files.pool;
  state.reserve.segments = plan_.files.reserve;
  ASSIGN_OR_RETURN(state.reserve.snapshot_bytes, snapshot_reserve_bytes());
  return state;
}

Status check_not_lowered(const RecoveryPlan& plan, const LogOptions& options) {
  if (options.feature_level == 0 || options.feature_level >= plan.feature_level) return {};
  return base::failed_precondition("the log has feature level " +
                                   std::to_string(plan.feature_level) + ", which cannot fall to " +
                                   std::to_string(options.feature_level));
}

// Makes the folder and its missing parents, and their names durable.
Status create_durable_folder(runtime::FileSystem& fs, const std::string& folder) {
  if (fs.list(folder)) return {};
  const std::size_t slash = folder.find_last_of('/');
  const bool has_parent = slash != std::string::npos && slash > 0;
  const std::string parent = has_parent ? folder.substr(0, slash) : slash == 0 ? "/" : ".";
  if (has_parent) RETURN_IF_ERROR(create_durable_folder(fs, parent));
  RETURN_IF_ERROR(fs.create_folder(folder));
  return fs.sync_folder(parent);
}

}  // namespace

OpenedLog::OpenedLog(std::unique_ptr<runtime::FileLock> lock, runtime::FileSystem& fs,
                     const std::string& folder, const LogOptions& options, RecoveryPlan plan,
                     LogState state, std::unique_ptr<FileSideIndex> side)
    : fs_(fs),
      folder_(folder),
      lock_(std::move(lock)),
      report_(plan.report),
      broker_state_(plan.snapshots.best ? std::move(plan.snapshots.best->snapshot.broker)
                                        : std::vector<std::byte>()),
      feature_level_wanted_(options.feature_level),
      to_replay_(std::move(plan.segments)),
      log_(fs, folder, options, std::move(state)),
      messages_(log_, plan.snapshots.best ? std::move(plan.snapshots.best->index)
                                          : MessageIndex(log_.segment_bytes())),
      side_(std::move(side)),
      housekeeper_(
          fs, folder, options, log_, messages_, *side_,
          {plan.snapshots.good, plan.snapshots.sides, {plan.dropped.begin(), plan.dropped.end()}}),
      backup_pin_(fs, folder, log_, housekeeper_),
      scrubber_(log_, messages_.message_index(), report_.corrupt) {
  const std::uint64_t first = report_.snapshot.value() / log_.segment_bytes();
  std::erase_if(to_replay_,
                [&](const FoundSegment& segment) { return segment.extent.number < first; });
}

Status OpenedLog::replay(const Replay& replay) {
  const std::vector<FoundSegment> segments = std::exchange(to_replay_, {});
  for (const FoundSegment& segment : segments) RETURN_IF_ERROR(replay_segment(segment, replay));
  if (feature_level_wanted_ > log_.feature_level()) {
    std::vector<std::byte> head;
    encode(FeatureLevelFact{feature_level_wanted_}, head);
    log_.append(RecordType::kFeatureLevel, head, {}, true);
  }
  return {};
}

Status OpenedLog::replay_segment(const FoundSegment& segment, const Replay& replay) {
  messages_.message_index().add_segment(segment.extent.number);
  const Lsn from = std::max(report_.snapshot, segment.extent.data_begin());
  if (from >= std::min(report_.end, segment.extent.end())) return {};
  SegmentScanner scanner(*segment.file, segment.extent, from);
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->begin >= report_.end) return {};
    if (item->kind == ScanItem::Kind::kRecord) RETURN_IF_ERROR(replay_record(*item, replay));
  }
  return {};
}

Status OpenedLog::replay_record(const ScanItem& item, const Replay& replay) {
  const RecordType type = item.header.type;
  const auto at = [&](const base::Error& error) {
    return error.with_prefix("LSN " + std::to_string(item.begin.value()));
  };
  if (!is_known(type)) return {};
  RecordView view{item.begin, item.end, type, item.payload, !item.bad_blocks.empty(), {}};
  if (type == RecordType::kMessages) {
    // The head lies under the header's checksum, so a bad block costs only its messages.
    const auto decoded = decode_messages(
        item.payload.first(std::min<std::size_t>(item.payload.size(), item.header.head_bytes)));
    if (!decoded) return at(decoded.error());
    messages_.index(decoded->fact, item.begin, item.header.payload_bytes, item.end - item.begin);
    if (view.damaged) view.readable = readable_entries(item, decoded->fact.count);
  } else if (!item.bad_blocks.empty()) {
    return {};
  }
  if (type == RecordType::kSegmentsDropped) {
    const auto fact = decode_segments_dropped(item.payload);
    if (!fact) return at(fact.error());
    for (const std::uint64_t number : fact->segments) {
      messages_.message_index().drop_segment(number);
    }
    return {};
  }
  if (type == RecordType::kExtentSwap) {
    const auto fact = decode_extent_swap(item.payload);
    if (!fact) return at(fact.error());
    messages_.message_index().swap(*fact);
    return {};
  }
  if (type == RecordType::kFeatureLevel) {
    const auto fact = decode_feature_level(item.payload);
    if (!fact) return at(fact.error());
    log_.set_feature_level(fact->level);
  }
  if (!replay) return {};
  return replay(view);
}

Status OpenedLog::finish_restore() {
  if (!report_.restored) return {};
  RETURN_IF_ERROR(fs_.remove(backup_manifest_path(folder_)));
  return fs_.sync_folder(folder_);
}

void OpenedLog::trim_memory() {
  log_.trim_memory();
  messages_.trim_memory();
  side_->trim_memory();
}

Result<std::unique_ptr<OpenedLog>> open_log(runtime::FileSystem& fs, const std::string& folder,
                                            const LogOptions& options) {
  RETURN_IF_ERROR(validate(options));
  RETURN_IF_ERROR(create_durable_folder(fs, folder));
  ASSIGN_OR_RETURN(auto lock, fs.lock(lock_path(folder), options.owner));
  ASSIGN_OR_RETURN(RecoveryPlan plan, plan_recovery(fs, folder, options.feature_level_supported));
  if (!plan.report.created) RETURN_IF_ERROR(check_not_lowered(plan, options));
  RETURN_IF_ERROR(create_durable_folder(fs, segments_folder(folder)));
  RETURN_IF_ERROR(create_durable_folder(fs, snapshots_folder(folder)));
  RETURN_IF_ERROR(create_durable_folder(fs, reserve_folder(folder)));
  ASSIGN_OR_RETURN(LogState state, Opening(fs, folder, options, plan).run());
  std::vector<SideRoot> kept;
  for (const SideRoot& side : plan.snapshots.sides) {
    if (side.generation > 0) kept.push_back(side);
  }
  // A newer snapshot without a root cannot be: the log's level never falls.
  ASSIGN_OR_RETURN(
      auto side, FileSideIndex::open(
                     fs, folder, {plan.report.log_id, options.side_cache_bytes, std::move(kept)}));
  return std::make_unique<OpenedLog>(std::move(lock), fs, folder, options, std::move(plan),
                                     std::move(state), std::move(side));
}

}  // namespace sluice::storage
