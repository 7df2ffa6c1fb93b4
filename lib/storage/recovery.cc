#include "storage/recovery.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "base/cover.h"
#include "storage/backup_manifest.h"
#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/log_end.h"
#include "storage/proven_mark.h"
#include "storage/segment_file.h"

namespace sluice::storage {

using base::Lsn;
using base::Result;
using base::Status;

namespace {

bool has_record(const FoundSegment& segment) {
  SegmentScanner scanner(*segment.file, segment.extent, segment.extent.data_begin());
  scanner.skip_blocks();
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->kind != ScanItem::Kind::kBad) return true;
  }
  return false;
}

class Recovery {
 public:
  Recovery(runtime::FileSystem& fs, const std::string& folder, std::uint32_t supported)
      : fs_(fs), folder_(folder), supported_(supported) {}

  Result<RecoveryPlan> run() {
    RETURN_IF_ERROR(look_for_backup());
    ASSIGN_OR_RETURN(plan_.files, list_log_files(fs_, folder_));
    ASSIGN_OR_RETURN(plan_.snapshots, load_snapshots(fs_, folder_, plan_.files.snapshots));
    plan_.report.bad_snapshots = plan_.snapshots.reasons;
    RETURN_IF_ERROR(open_segments());
    RETURN_IF_ERROR(open_extents());
    RETURN_IF_ERROR(drop_trailing_files());
    if (plan_.segments.empty()) {
      RETURN_IF_ERROR(check_nothing_lost());
      plan_.report.created = true;
      return std::move(plan_);
    }
    RETURN_IF_ERROR(check_start());
    RETURN_IF_ERROR(check_level());
    RETURN_IF_ERROR(scan());
    RETURN_IF_ERROR(decide_end());
    find_missing();
    decide_clean();
    return std::move(plan_);
  }

 private:
  const Snapshot* snapshot() const {
    return plan_.snapshots.best ? &plan_.snapshots.best->snapshot : nullptr;
  }
  std::string path(std::uint64_t number) const {
    return segments_folder(folder_) + "/" + segment_name(number);
  }
  std::uint64_t segment_of(Lsn lsn) const { return lsn.value() / plan_.segment_bytes; }
  Lsn segment_begin(std::uint64_t number) const { return Lsn(number * plan_.segment_bytes); }

  Status look_for_backup();
  Status open_segments();
  Status open_extents();
  Status adopt_header(std::uint64_t number, const SegmentHeader& header);
  Status drop_trailing_files();
  Status check_nothing_lost() const;
  Status check_start();
  Status check_level() const;
  Status scan();
  Status scan_segment(FoundSegment& segment, Lsn from);
  Status note_record(const ScanItem& item);
  void note_bad(const FoundSegment& segment, const ScanItem& item);
  Status decide_end();
  bool needs_mark() const;
  void apply_changes();
  void find_missing();
  void find_missing_extents(const std::set<std::uint64_t>& found);
  void decide_clean();

  runtime::FileSystem& fs_;
  std::string folder_;
  std::uint32_t supported_;  // feature level
  RecoveryPlan plan_;
  Lsn start_;  // of the replay
  ProvenMark proven_;
  std::vector<BadRange> bad_;
  Lsn last_good_end_;  // of the last thing that verifies
  std::vector<Lsn> record_begins_;
  // What records say of files, in order.
  struct FileChange {
    Lsn lsn;
    std::vector<std::uint64_t> gone;
    std::uint64_t extent = 0;  // came; 0 = none
  };
  std::vector<FileChange> changes_;
  std::set<std::uint64_t> came_;  // extents since the snapshot
};

// What a backup says of its end was durable, whatever its records know of that.
Status Recovery::look_for_backup() {
  if (fs_.open(incomplete_path(folder_), runtime::OpenMode::kRead)) {
    return base::failed_precondition(
        "the folder holds an INCOMPLETE copy: nothing was changed; empty it, and restore again");
  }
  ASSIGN_OR_RETURN(const std::optional<BackupManifest> backup,
                   read_backup_manifest(fs_, backup_manifest_path(folder_)));
  if (!backup) return {};
  plan_.report.restored = true;
  proven_.by_file(backup->end);
  return {};
}

// Every segment's header is looked at, so that a log of a newer version is refused whole.
Status Recovery::open_segments() {
  if (const Snapshot* best = snapshot()) {
    plan_.segment_bytes = best->segment_bytes;
    plan_.report.log_id = best->log_id;
    plan_.feature_level = best->feature_level;
  }
  for (const std::uint64_t number : plan_.files.segments) {
    FoundSegment segment;
    segment.extent.number = number;
    const Snapshot* best = snapshot();
    const bool old = best && number < (best->lsn.value() - 1) / best->segment_bytes;
    const auto mode = old ? runtime::OpenMode::kRead : runtime::OpenMode::kReadWrite;
    ASSIGN_OR_RETURN(segment.file, fs_.open(path(number), mode));
    Result<SegmentHeader> header = read_segment_header(*segment.file);
    if (header) {
      RETURN_IF_ERROR(adopt_header(number, *header));
      segment.extent.uuid_prefix = header->uuid_prefix();
      segment.header = *header;
    } else if (header.error().code() != base::ErrorCode::kCorruption) {
      return header.error().with_prefix(segment_name(number));
    }
    if (old) segment.file.reset();  // only what will be scanned stays open; there may be thousands
    plan_.segments.push_back(std::move(segment));
  }
  for (FoundSegment& segment : plan_.segments) segment.extent.segment_bytes = plan_.segment_bytes;
  return {};
}

Status Recovery::open_extents() {
  for (const std::uint64_t number : plan_.files.extents) {
    const std::string name = extent_name(number);
    const std::string file_path = segments_folder(folder_) + "/" + name;
    ASSIGN_OR_RETURN(const auto file, fs_.open(file_path, runtime::OpenMode::kRead));
    SegmentExtent extent{number, plan_.segment_bytes, std::nullopt, 0};
    ASSIGN_OR_RETURN(extent.extent_bytes, file->size());
    const Result<ExtentHeader> header = read_extent_header(*file);
    if (header) {
      if (header->number != number || header->log_id != plan_.report.log_id) {
        return base::failed_precondition(name + ": belongs to another log");
      }
      extent.uuid_prefix = header->uuid_prefix();
    } else if (header.error().code() != base::ErrorCode::kCorruption) {
      return header.error().with_prefix(name);
    }
    plan_.extents.push_back(extent);
  }
  return {};
}

Status Recovery::adopt_header(std::uint64_t number, const SegmentHeader& header) {
  if (plan_.segment_bytes == 0) {
    plan_.segment_bytes = header.segment_bytes;
    plan_.report.log_id = header.log_id;
  }
  const std::string name = segment_name(number);
  if (header.number != number) {
    return base::failed_precondition(name + ": its header says segment " +
                                     std::to_string(header.number) + "; was it renamed?");
  }
  if (header.log_id != plan_.report.log_id || header.segment_bytes != plan_.segment_bytes) {
    return base::failed_precondition(name + ": belongs to another log (" + header.log_id.to_hex() +
                                     ", not " + plan_.report.log_id.to_hex() + ")");
  }
  plan_.feature_level = std::max(plan_.feature_level, header.feature_level);
  return {};
}

// A header is synced before its file gets its name. So a last file without header and records is
// none of ours, or empty because the file system lost its bytes before anything was promised.
Status Recovery::drop_trailing_files() {
  while (!plan_.segments.empty()) {
    const FoundSegment& last = plan_.segments.back();
    if (last.header || !last.file || (plan_.segment_bytes > 0 && has_record(last))) return {};
    const std::uint64_t number = last.extent.number;
    ASSIGN_OR_RETURN(const bool zeros, is_zeros(*last.file));
    (zeros ? plan_.empty : plan_.orphans).push_back(number);
    if (!zeros && plan_.segment_bytes > 0) {
      plan_.report.corrupt.push_back({segment_begin(number), segment_begin(number + 1),
                                      segment_name(number),
                                      "no valid header and no record; the file was set aside"});
    }
    plan_.segments.pop_back();
  }
  return {};
}

Status Recovery::check_nothing_lost() const {
  if (!plan_.orphans.empty() || !plan_.extents.empty()) {
    return base::failed_precondition(
        "segments/ holds files, but no segment with a valid header: nothing was changed; restore a "
        "backup, or move the folder away to start empty");
  }
  if (!plan_.files.snapshots.empty() || plan_.report.restored) {
    return base::failed_precondition(
        "there are snapshots or a backup's manifest, but segments/ holds no log: nothing was "
        "changed; restore the missing files, or move the folder away to start empty");
  }
  return {};
}

// Without a snapshot the log itself must hold everything.
Status Recovery::check_start() {
  if (const Snapshot* best = snapshot()) {
    start_ = best->lsn;
    proven_.by_file(best->durable);
    plan_.report.snapshot = best->lsn;
    // The log may have ended exactly with a segment.
    const std::uint64_t holds_end = segment_of(best->durable - 1);
    if (plan_.segments.back().extent.number < holds_end) {
      return base::failed_precondition("the newest snapshot needs " + segment_name(holds_end) +
                                       ", which is missing with all that follow: nothing was "
                                       "changed; restore the missing files");
    }
    return {};
  }
  std::uint64_t expected = 1;
  for (const FoundSegment& segment : plan_.segments) {
    if (segment.extent.number != expected) {
      const std::string why =
          plan_.files.snapshots.empty() ? "there is no snapshot" : "no snapshot is intact";
      return base::failed_precondition(
          why + " and " + segment_name(expected) +
          " is missing, so that the state cannot be known: nothing was changed; restore the "
          "missing files or a backup");
    }
    ++expected;
  }
  start_ = segment_begin(1) + kSegmentDataOffset;
  return {};
}

Status Recovery::check_level() const {
  if (plan_.feature_level <= supported_) return {};
  return base::failed_precondition(
      "the log has feature level " + std::to_string(plan_.feature_level) +
      "; this version of Sluice reads up to " + std::to_string(supported_));
}

Status Recovery::scan() {
  last_good_end_ = start_;
  std::uint64_t expected = segment_of(start_);
  for (FoundSegment& segment : plan_.segments) {
    const std::uint64_t number = segment.extent.number;
    if (number < expected) continue;
    for (; expected < number; ++expected) {
      bad_.push_back({segment_begin(expected), segment_begin(expected + 1), segment_name(expected),
                      "the file is missing"});
    }
    ++expected;
    // A header is synced behind all that is before it and ahead of all that follows it; where it is
    // damaged, its records tell that it was there, as long as one stays.
    const Lsn data_begin = segment.extent.data_begin();
    if (segment.header) {
      proven_.by_file(data_begin);
    } else {
      proven_.by_record(data_begin, data_begin);
      bad_.push_back(
          {segment.extent.base(), data_begin, segment_name(number), "no valid segment header"});
    }
    RETURN_IF_ERROR(scan_segment(segment, std::max(start_, segment.extent.data_begin())));
  }
  return {};
}

Status Recovery::scan_segment(FoundSegment& segment, Lsn from) {
  SegmentScanner scanner(*segment.file, segment.extent, from);
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->kind == ScanItem::Kind::kBad || !item->bad_blocks.empty()) note_bad(segment, *item);
    if (item->kind == ScanItem::Kind::kBad) continue;
    proven_.by_record(item->begin, item->header.durable);
    last_good_end_ = item->end;
    if (item->kind == ScanItem::Kind::kPadding) continue;
    record_begins_.push_back(item->begin);
    RETURN_IF_ERROR(note_record(*item));
  }
  segment.extent.uuid_prefix = scanner.uuid_prefix();
  return {};
}

Status Recovery::note_record(const ScanItem& item) {
  const RecordType type = item.header.type;
  const std::string where = "LSN " + std::to_string(item.begin.value());
  if (!is_known(type) && static_cast<std::uint8_t>(type) < kSkippableTypesBegin) {
    return base::failed_precondition(where + " holds a record of " + to_string(type) +
                                     ", written by a newer version of Sluice; this version leaves "
                                     "the folder as it is");
  }
  if (!item.good()) return {};
  if (type == RecordType::kFeatureLevel) {
    ASSIGN_OR_RETURN(const FeatureLevelFact fact, decode_feature_level(item.payload));
    if (fact.level > supported_) {
      return base::failed_precondition(
          where + " raises the feature level to " + std::to_string(fact.level) +
          "; this version of Sluice reads up to " + std::to_string(supported_));
    }
    plan_.feature_level = std::max(plan_.feature_level, fact.level);
  }
  if (type == RecordType::kSegmentsDropped) {
    ASSIGN_OR_RETURN(const SegmentsDroppedFact fact, decode_segments_dropped(item.payload));
    changes_.push_back({item.begin, fact.segments, 0});
  }
  if (type == RecordType::kExtentSwap) {
    ASSIGN_OR_RETURN(const ExtentSwapFact fact, decode_extent_swap(item.payload));
    changes_.push_back({item.begin, fact.replaced, fact.extent});
  }
  return {};
}

void Recovery::note_bad(const FoundSegment& segment, const ScanItem& item) {
  bad_.push_back({item.begin, item.end, segment_name(segment.extent.number), damage_reason(item),
                  item.unreadable, item.kind == ScanItem::Kind::kRecord});
}

Status Recovery::decide_end() {
  const Lsn proven = proven_.value();
  LogEnd log = decide_log_end(bad_, proven, last_good_end_);
  if (log.unreadable) {
    return base::Error(base::ErrorCode::kIo,
                       log.unreadable->file + ": the end of the log cannot be read, at LSN " +
                           std::to_string(log.unreadable->begin.value()) + "; nothing was changed");
  }
  const Lsn end = log.end;
  std::move(log.corrupt.begin(), log.corrupt.end(), std::back_inserter(plan_.report.corrupt));
  RecoveryReport& report = plan_.report;
  report.proven = std::min(proven, end);
  report.end = end;
  report.cut_bytes = last_good_end_ > end ? last_good_end_ - end : 0;
  report.records = static_cast<std::uint64_t>(
      std::lower_bound(record_begins_.begin(), record_begins_.end(), end) - record_begins_.begin());
  if (report.cut_bytes > 0) COVER("unsynced tail cut");
  plan_.rewrite = (end > proven || report.cut_bytes > 0) && !PLANTED("tail_not_resynced");
  plan_.mark = plan_.rewrite && needs_mark();
  apply_changes();
  return {};
}

// What proved that something is corruption may be cut, and the next start would take that for the
// unsynced tail.
bool Recovery::needs_mark() const {
  const RecoveryReport& report = plan_.report;
  const Lsn stays = proven_.of_end(report.end);
  return std::any_of(report.corrupt.begin(), report.corrupt.end(), [&](const CorruptRange& range) {
    return range.begin < report.end && std::min(range.end, report.proven) > stays;
  });
}

// What was cut off never happened: its files are all there.
void Recovery::apply_changes() {
  for (const FileChange& change : changes_) {
    if (change.lsn >= plan_.report.end) return;
    plan_.dropped.insert(change.gone.begin(), change.gone.end());
    for (const std::uint64_t number : change.gone) came_.erase(number);
    if (change.extent == 0) continue;
    came_.insert(change.extent);
    plan_.dropped.erase(change.extent);
  }
}

// Segments before the snapshot: what it lists must be there, unless it was dropped; what it does
// not list was dropped before it.
void Recovery::find_missing() {
  std::set<std::uint64_t> found;
  for (const FoundSegment& segment : plan_.segments) found.insert(segment.extent.number);
  for (const SegmentExtent& extent : plan_.extents) found.insert(extent.number);
  if (plan_.snapshots.best) {
    MessageIndex& index = plan_.snapshots.best->index;
    for (const std::uint64_t number : index.segments()) {
      if (found.contains(number)) continue;
      const bool later = !is_extent(number) && number >= segment_of(start_);
      const bool told = later || plan_.dropped.contains(number);
      if (!told) {
        const auto& ranges = index.ranges(number);
        plan_.report.lost.insert(plan_.report.lost.end(), ranges.begin(), ranges.end());
      }
      index.drop_segment(number);
      if (told) continue;
      plan_.report.corrupt.push_back({segment_begin(number), segment_begin(number + 1),
                                      data_file_name(number), "the file is missing"});
    }
    for (const std::uint64_t number : found) {
      const bool before = number < segment_of(start_ - 1);
      if (before && !index.has_segment(number)) plan_.dropped.insert(number);
    }
  }
  find_missing_extents(found);
  std::erase_if(plan_.segments, [&](const FoundSegment& segment) {
    return plan_.dropped.contains(segment.extent.number);
  });
  std::erase_if(plan_.dropped, [&](std::uint64_t number) { return !found.contains(number); });
  for (const FoundSegment& segment : plan_.segments) {
    const bool before = segment.extent.number < segment_of(start_);
    if (!before || segment.header) continue;
    plan_.report.corrupt.push_back({segment.extent.base(), segment.extent.data_begin(),
                                    segment_name(segment.extent.number),
                                    "no valid segment header"});
  }
}

// An extent that neither the snapshot nor a later record knows was being made.
void Recovery::find_missing_extents(const std::set<std::uint64_t>& found) {
  const auto corrupt = [&](std::uint64_t number, Lsn end, const char* reason) {
    plan_.report.corrupt.push_back({segment_begin(number), end, extent_name(number), reason});
  };
  for (const std::uint64_t number : came_) {
    if (!found.contains(number)) corrupt(number, segment_begin(number + 1), "the file is missing");
  }
  for (const SegmentExtent& extent : plan_.extents) {
    const std::uint64_t number = extent.number;
    const auto& best = plan_.snapshots.best;
    const bool known = came_.contains(number) || (best && best->index.has_segment(number));
    if (!known) plan_.dropped.insert(number);
    if (extent.uuid_prefix || plan_.dropped.contains(number)) continue;
    corrupt(number, extent.data_begin(), "no valid extent header");
  }
  std::erase_if(plan_.extents,
                [&](const SegmentExtent& extent) { return plan_.dropped.contains(extent.number); });
}

void Recovery::decide_clean() {
  RecoveryReport& report = plan_.report;
  const Snapshot* best = snapshot();
  const bool nothing_yet = best == nullptr && report.end == start_;
  report.unclean =
      report.restored || (!nothing_yet && !(best && best->clean && best->lsn == report.end));
}

}  // namespace

Result<RecoveryPlan> plan_recovery(runtime::FileSystem& fs, const std::string& folder,
                                   std::uint32_t feature_level_supported) {
  return Recovery(fs, folder, feature_level_supported).run();
}

}  // namespace sluice::storage
