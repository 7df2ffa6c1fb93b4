#include "storage/log_verify.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/log_end.h"
#include "storage/log_files.h"
#include "storage/segment_file.h"
#include "storage/snapshot_store.h"

namespace sluice::storage {

using base::Lsn;
using base::Result;
using base::Status;

std::string_view to_string(SegmentState state) {
  switch (state) {
    case SegmentState::kSealed:
      return "sealed";
    case SegmentState::kOpen:
      return "open";
    case SegmentState::kEmpty:
      return "empty";
    case SegmentState::kDamaged:
      return "damaged";
    case SegmentState::kGone:
      return "gone";
    case SegmentState::kExtent:
      return "extent";
  }
  return "unknown";
}

namespace {

class Verifier {
 public:
  Verifier(runtime::FileSystem& fs, const std::string& folder) : fs_(fs), folder_(folder) {}

  Result<VerifyReport> run() {
    ASSIGN_OR_RETURN(const LogFiles files, list_log_files(fs_, folder_));
    if (files.segments.empty() && files.snapshots.empty()) {
      return base::not_found(folder_ + ": no log here");
    }
    for (const Lsn lsn : files.snapshots) RETURN_IF_ERROR(verify_snapshot(lsn));
    look_for_segment_bytes(files);
    for (const std::uint64_t number : files.segments) RETURN_IF_ERROR(verify_segment(number));
    for (SegmentVerdict& verdict : report_.segments) {
      const bool newest = verdict.number == files.segments.back();
      if (verdict.state == SegmentState::kSealed && newest) verdict.state = SegmentState::kOpen;
    }
    for (const std::uint64_t number : files.extents) RETURN_IF_ERROR(verify_extent(number));
    find_missing(files);
    judge();
    return std::move(report_);
  }

 private:
  Status verify_snapshot(Lsn lsn);
  // Its file, and its size in the verdict. nullptr where it is gone: that was reported.
  Result<std::shared_ptr<runtime::File>> open_for(SegmentVerdict& verdict);
  void look_for_segment_bytes(const LogFiles& files);
  Status verify_segment(std::uint64_t number);
  Status verify_extent(std::uint64_t number);
  void scan_extent(const runtime::File& file, const SegmentExtent& extent, SegmentVerdict& verdict);
  void scan(const runtime::File& file, const SegmentExtent& extent, SegmentVerdict& verdict);
  void note(const ScanItem& item, SegmentVerdict& verdict);
  void find_missing(const LogFiles& files);
  void judge();

  runtime::FileSystem& fs_;
  std::string folder_;
  VerifyReport report_;
  std::vector<BadRange> bad_;
  std::vector<CorruptRange> headless_;  // the last segments, where nothing in them verifies
  std::set<std::uint64_t> listed_;      // segments of the newest valid snapshot
  std::set<std::uint64_t> dropped_;     // named by a record
  Lsn start_;                           // of the newest valid snapshot
  Lsn last_good_end_;
};

Status Verifier::verify_snapshot(Lsn lsn) {
  const std::string path = snapshots_folder(folder_) + "/" + snapshot_name(lsn);
  const auto file = fs_.open(path, runtime::OpenMode::kRead);
  if (!file && file.error().code() == base::ErrorCode::kNotFound) return {};  // replaced meanwhile
  ASSIGN_OR_RETURN(const LoadedSnapshots loaded,
                   load_snapshots(fs_, folder_, {lsn}, SideCheck::kAll));
  SnapshotVerdict verdict;
  verdict.file = snapshot_name(lsn);
  verdict.lsn = lsn;
  verdict.valid = loaded.best.has_value();
  if (loaded.best) {
    const Snapshot& snapshot = loaded.best->snapshot;
    verdict.clean = snapshot.clean;
    verdict.broker_bytes = snapshot.broker.size();
    report_.log_id = snapshot.log_id;
    report_.segment_bytes = snapshot.segment_bytes;
    report_.feature_level = std::max(report_.feature_level, snapshot.feature_level);
    report_.proven = std::max(report_.proven, snapshot.durable);
    start_ = std::max(start_, lsn);
    const std::vector<std::uint64_t> numbers = loaded.best->index.segments();
    listed_ = {numbers.begin(), numbers.end()};
  } else {
    verdict.reason = loaded.reasons.front();
    if (verdict.reason.find("index/side.idx") != std::string::npos) {
      // Pages of a snapshot that was replaced meanwhile may be other pages by now.
      if (!fs_.open(path, runtime::OpenMode::kRead)) return {};
      report_.bad_pages.push_back(verdict.reason);
    }
  }
  report_.snapshots.push_back(std::move(verdict));
  return {};
}

Result<std::shared_ptr<runtime::File>> Verifier::open_for(SegmentVerdict& verdict) {
  auto opened = fs_.open(segments_folder(folder_) + "/" + verdict.file, runtime::OpenMode::kRead);
  if (!opened) {
    if (opened.error().code() != base::ErrorCode::kNotFound) return opened.error();
    verdict.state = SegmentState::kGone;
    report_.segments.push_back(std::move(verdict));
    return std::shared_ptr<runtime::File>();
  }
  std::shared_ptr<runtime::File> file = std::move(*opened);
  ASSIGN_OR_RETURN(verdict.file_bytes, file->size());
  return file;
}

// Where the first header is damaged, another one tells how far the records of its segment reach.
void Verifier::look_for_segment_bytes(const LogFiles& files) {
  for (const std::uint64_t number : files.segments) {
    if (report_.segment_bytes > 0) return;
    const auto file =
        fs_.open(segments_folder(folder_) + "/" + segment_name(number), runtime::OpenMode::kRead);
    if (!file) continue;
    if (const auto header = read_segment_header(**file)) {
      report_.segment_bytes = header->segment_bytes;
    }
  }
}

Status Verifier::verify_segment(std::uint64_t number) {
  SegmentVerdict verdict;
  verdict.number = number;
  verdict.file = segment_name(number);
  ASSIGN_OR_RETURN(const auto file, open_for(verdict));
  if (file == nullptr) return {};
  SegmentExtent extent{number, report_.segment_bytes, std::nullopt};
  const Result<SegmentHeader> header = read_segment_header(*file);
  if (header) {
    report_.log_id = header->log_id;
    report_.feature_level = std::max(report_.feature_level, header->feature_level);
    extent = {number, header->segment_bytes, header->uuid_prefix()};
  } else if (header.error().code() == base::ErrorCode::kFailedPrecondition) {
    return header.error().with_prefix(verdict.file);
  } else {
    const Result<bool> zeros = is_zeros(*file);
    verdict.state = zeros && *zeros ? SegmentState::kEmpty : SegmentState::kDamaged;
    bad_.push_back({extent.base(), extent.data_begin(), verdict.file, header.error().message()});
  }
  const Lsn before = last_good_end_;
  if (extent.segment_bytes > 0) scan(*file, extent, verdict);
  if (header || last_good_end_ > before) {
    // Whatever became of the header: it was durable before the first record went in.
    report_.proven = std::max(report_.proven, extent.data_begin());
    headless_.clear();
  } else if (verdict.state == SegmentState::kDamaged && extent.segment_bytes > 0) {
    headless_.push_back({extent.base(), extent.base() + extent.segment_bytes, verdict.file,
                         "no valid header and no record; a start sets the file aside"});
  }
  report_.segments.push_back(std::move(verdict));
  return {};
}

void Verifier::scan(const runtime::File& file, const SegmentExtent& extent,
                    SegmentVerdict& verdict) {
  SegmentScanner scanner(file, extent, extent.data_begin());
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->kind != ScanItem::Kind::kBad) note(*item, verdict);
    if (item->good()) continue;
    bad_.push_back({item->begin, item->end, verdict.file, damage_reason(*item), item->unreadable,
                    item->kind == ScanItem::Kind::kRecord});
  }
}

// Its positions are no part of the log's order: what is bad here was durable once.
Status Verifier::verify_extent(std::uint64_t number) {
  SegmentVerdict verdict;
  verdict.number = number;
  verdict.file = extent_name(number);
  verdict.state = SegmentState::kExtent;
  ASSIGN_OR_RETURN(const auto file, open_for(verdict));
  if (file == nullptr) return {};
  SegmentExtent extent{number, report_.segment_bytes, std::nullopt, verdict.file_bytes};
  const Result<ExtentHeader> header = read_extent_header(*file);
  if (header) {
    extent.uuid_prefix = header->uuid_prefix();
    extent.extent_bytes = header->bytes;
  } else if (header.error().code() == base::ErrorCode::kFailedPrecondition) {
    return header.error().with_prefix(verdict.file);
  } else {
    verdict.state = SegmentState::kDamaged;
    report_.corrupt.push_back(
        {extent.base(), extent.data_begin(), verdict.file, header.error().message()});
  }
  scan_extent(*file, extent, verdict);
  report_.segments.push_back(std::move(verdict));
  return {};
}

void Verifier::scan_extent(const runtime::File& file, const SegmentExtent& extent,
                           SegmentVerdict& verdict) {
  const Lsn end = extent.base() + extent.extent_bytes;
  SegmentScanner scanner(file, extent, extent.data_begin());
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->begin >= end) return;
    if (item->kind == ScanItem::Kind::kRecord) {
      verdict.records += 1;
      verdict.payload_bytes += item->header.payload_bytes;
      if (verdict.first == Lsn()) verdict.first = item->begin;
      verdict.last = item->begin;
      verdict.end = item->end;
    }
    if (item->good()) continue;
    report_.corrupt.push_back({item->begin, std::min(item->end, end), verdict.file,
                               item->unreadable ? "cannot be read" : "wrong checksum"});
  }
}

void Verifier::note(const ScanItem& item, SegmentVerdict& verdict) {
  report_.proven = std::max(report_.proven, item.header.durable);
  last_good_end_ = item.end;
  if (item.kind == ScanItem::Kind::kPadding) return;
  verdict.records += 1;
  verdict.payload_bytes += item.header.payload_bytes;
  if (verdict.first == Lsn()) verdict.first = item.begin;
  verdict.last = item.begin;
  verdict.end = item.end;
  if (item.header.type == RecordType::kExtentSwap && item.good()) {
    if (const auto fact = decode_extent_swap(item.payload)) {
      dropped_.insert(fact->replaced.begin(), fact->replaced.end());
      dropped_.erase(fact->extent);
    }
  }
  if (item.header.type != RecordType::kSegmentsDropped || !item.good()) return;
  if (const auto fact = decode_segments_dropped(item.payload)) {
    dropped_.insert(fact->segments.begin(), fact->segments.end());
  }
}

void Verifier::find_missing(const LogFiles& files) {
  const auto note_segment = [this](std::uint64_t number) {
    const Lsn begin(number * report_.segment_bytes);
    bad_.push_back(
        {begin, begin + report_.segment_bytes, segment_name(number), "the file is missing"});
  };
  // What a start replays is there without a gap, up to the last file that is one of the log.
  for (std::size_t i = 1; i < files.segments.size(); ++i) {
    const SegmentVerdict& next = report_.segments[i];
    if (next.state != SegmentState::kSealed && next.state != SegmentState::kOpen &&
        next.records == 0) {
      continue;
    }
    for (std::uint64_t gap = files.segments[i - 1] + 1; gap < files.segments[i]; ++gap) {
      const bool is_replayed = (gap + 1) * report_.segment_bytes > start_.value();
      if (is_replayed && !listed_.contains(gap) && !dropped_.contains(gap)) note_segment(gap);
    }
  }
  for (const std::uint64_t number : listed_) {
    const std::vector<std::uint64_t>& all = is_extent(number) ? files.extents : files.segments;
    const bool there = std::binary_search(all.begin(), all.end(), number);
    if (there || dropped_.contains(number)) continue;
    const Lsn begin(number * report_.segment_bytes);
    if (is_extent(number)) {
      report_.corrupt.push_back(
          {begin, begin + report_.segment_bytes, extent_name(number), "the file is missing"});
      continue;
    }
    note_segment(number);
  }
}

void Verifier::judge() {
  std::sort(bad_.begin(), bad_.end(),
            [](const BadRange& a, const BadRange& b) { return a.begin < b.begin; });
  LogEnd log = decide_log_end(bad_, report_.proven, last_good_end_);
  report_.end = log.end;
  std::move(log.corrupt.begin(), log.corrupt.end(), std::back_inserter(report_.corrupt));
  std::move(headless_.begin(), headless_.end(), std::back_inserter(report_.corrupt));
  if (log.unreadable) {
    const BadRange& bad = *log.unreadable;
    report_.corrupt.push_back({bad.begin, bad.end, bad.file, bad.reason});
    return;  // what is behind it is no tail: no start cuts there
  }
  report_.tail_bytes = last_good_end_ > report_.end ? last_good_end_ - report_.end : 0;
}

}  // namespace

Result<VerifyReport> verify_log(runtime::FileSystem& fs, const std::string& folder) {
  return Verifier(fs, folder).run();
}

}  // namespace sluice::storage
