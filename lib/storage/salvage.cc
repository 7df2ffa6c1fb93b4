#include "storage/salvage.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/log_dump.h"
#include "storage/log_files.h"
#include "storage/recovery.h"
#include "storage/segment_file.h"
#include "storage/segment_scanner.h"
#include "storage/snapshot_store.h"

namespace sluice::storage {

using base::Lsn;
using base::Result;
using base::Sequence;
using base::SequenceRange;
using base::Status;

namespace {

constexpr std::size_t kCopyBytes = 1U << 20;

// True for a record of a known type that verifies, and cannot be decoded.
bool is_malformed(const ScanItem& item) {
  if (item.kind != ScanItem::Kind::kRecord || !is_known(item.header.type)) return false;
  if (item.header.type != RecordType::kMessages) {
    return item.good() && describe_payload(item.header.type, item.payload).empty();
  }
  // Its head is good whatever became of its blocks.
  const std::size_t head = std::min<std::size_t>(item.payload.size(), item.header.head_bytes);
  return !decode_messages(item.payload.first(head)).has_value();
}

class Salvage {
 public:
  Salvage(runtime::FileSystem& fs, const std::string& from, const std::string& to,
          const CopyProgress& progress)
      : fs_(fs), from_(from), to_(to), progress_(progress), piece_(kCopyBytes) {}

  Result<SalvageReport> run() {
    ASSIGN_OR_RETURN(files_, list_log_files(fs_, from_));
    RETURN_IF_ERROR(look());
    RETURN_IF_ERROR(begin_folder(fs_, to_));
    RETURN_IF_ERROR(copy_all());
    RETURN_IF_ERROR(mend());
    RETURN_IF_ERROR(find_lost());
    RETURN_IF_ERROR(finish());
    return std::move(report_);
  }

 private:
  Status look();
  Status copy_all();
  Status copy(const std::string& path);
  Status read_piece(const runtime::File& source, std::uint64_t at, std::size_t want,
                    std::size_t& got);
  Status mend();
  Status mend_header(std::uint64_t number);
  Status make_segment(std::uint64_t number);
  Status find_lost();
  Status scan(std::uint64_t number, runtime::File& file);
  void note(const ScanItem& item);
  void note_gap();
  void note_messages(const ScanItem& item);
  void lose(const StreamId& stream, SequenceRange range, bool partly);
  Status finish();

  runtime::FileSystem& fs_;
  const std::string from_;
  const std::string to_;
  const CopyProgress& progress_;
  std::vector<std::byte> piece_;
  LogFiles files_;
  SalvageReport report_;
  std::optional<Snapshot> snapshot_;
  std::vector<Lsn> good_snapshots_;
  std::set<std::uint64_t> listed_;  // segments that the snapshot has
  base::Id128 log_id_;
  std::uint64_t segment_bytes_ = 0;
  std::uint32_t feature_level_ = kFeatureLevelFirst;
  std::uint64_t total_ = 0;
  // Of the walk through the copy.
  struct Seen {
    Sequence next{1};
    bool gap = false;          // something was damaged since
    std::uint64_t jumped = 0;  // sequences that restarts skipped since
  };
  std::map<StreamId, Seen> streams_;
  std::map<base::QueueId, std::string> names_;
  std::set<std::uint64_t> dropped_;
};

// What is known of the log as a whole.
Status Salvage::look() {
  ASSIGN_OR_RETURN(LoadedSnapshots loaded,
                   load_snapshots(fs_, from_, files_.snapshots, SideCheck::kAll));
  report_.bad_snapshots = loaded.reasons;
  good_snapshots_ = loaded.good;
  if (loaded.best) {
    snapshot_ = std::move(loaded.best->snapshot);
    for (const std::uint64_t number : loaded.best->index.segments()) listed_.insert(number);
    log_id_ = snapshot_->log_id;
    segment_bytes_ = snapshot_->segment_bytes;
    feature_level_ = snapshot_->feature_level;
    report_.snapshot = snapshot_->lsn;
  }
  for (const std::uint64_t number : files_.segments) {
    const auto file =
        fs_.open(segments_folder(from_) + "/" + segment_name(number), runtime::OpenMode::kRead);
    if (!file) continue;
    const Result<SegmentHeader> header = read_segment_header(**file);
    if (!header) {
      if (header.error().code() == base::ErrorCode::kFailedPrecondition) return header.error();
      continue;
    }
    if (segment_bytes_ == 0) {
      log_id_ = header->log_id;
      segment_bytes_ = header->segment_bytes;
    }
    feature_level_ = std::max(feature_level_, header->feature_level);
  }
  if (segment_bytes_ > 0) return {};
  return base::not_found(from_ +
                         ": neither a snapshot nor a segment has a header that can be read");
}

Status Salvage::read_piece(const runtime::File& source, std::uint64_t at, std::size_t want,
                           std::size_t& got) {
  if (const auto all = source.read_at(at, {piece_.data(), want})) {
    got = *all;
    return {};
  }
  // Block by block; what cannot be read is zeros.
  ASSIGN_OR_RETURN(const std::uint64_t size, source.size());
  got = std::min<std::uint64_t>(want, size > at ? size - at : 0);
  for (std::size_t done = 0; done < got; done += kBlockBytes) {
    const std::size_t bytes = std::min(kBlockBytes, got - done);
    const base::MutableByteView block(piece_.data() + done, bytes);
    const auto part = source.read_at(at + done, block);
    if (part && *part == bytes) continue;
    std::fill(block.begin(), block.end(), std::byte{0});
    report_.unreadable_bytes += bytes;
  }
  return {};
}

Status Salvage::copy(const std::string& path) {
  const auto source = fs_.open(from_ + "/" + path, runtime::OpenMode::kRead);
  if (!source) {
    if (source.error().code() == base::ErrorCode::kNotFound) return {};
    report_.missing.push_back(path + " (" + source.error().message() + ")");
    return {};
  }
  ASSIGN_OR_RETURN(const auto target, fs_.open(to_ + "/" + path, runtime::OpenMode::kCreate));
  for (std::uint64_t at = 0;;) {
    std::size_t got = 0;
    RETURN_IF_ERROR(read_piece(**source, at, kCopyBytes, got));
    if (got > 0) RETURN_IF_ERROR(target->write_at(at, {piece_.data(), got}));
    at += got;
    report_.bytes += got;
    if (progress_) RETURN_IF_ERROR(progress_(report_.bytes, total_));
    if (got < kCopyBytes) break;
  }
  return target->sync_data();
}

Status Salvage::copy_all() {
  std::vector<std::string> paths;
  for (const Lsn lsn : good_snapshots_) paths.push_back("snapshots/" + snapshot_name(lsn));
  if (!good_snapshots_.empty()) paths.emplace_back("index/side.idx");
  for (const std::uint64_t number : files_.segments) {
    paths.push_back("segments/" + segment_name(number));
  }
  for (const std::uint64_t number : files_.extents) {
    paths.push_back("segments/" + extent_name(number));
  }
  for (const std::string& path : paths) {
    const auto file = fs_.open(from_ + "/" + path, runtime::OpenMode::kRead);
    if (!file) continue;
    if (const auto size = (*file)->size()) total_ += *size;
  }
  for (const char* folder : {"segments", "snapshots", "index"}) {
    RETURN_IF_ERROR(fs_.create_folder(to_ + "/" + folder));
  }
  for (const std::string& path : paths) RETURN_IF_ERROR(copy(path));
  return {};
}

// Headers, and segments that recovery must find: without a snapshot all from the first one on, else
// the one that holds the snapshot's end.
Status Salvage::mend() {
  ASSIGN_OR_RETURN(const LogFiles copied, list_log_files(fs_, to_));
  std::set<std::uint64_t> there(copied.segments.begin(), copied.segments.end());
  for (const std::uint64_t number : there) RETURN_IF_ERROR(mend_header(number));
  const std::uint64_t newest = there.empty() ? 0 : *there.rbegin();
  if (!snapshot_) {
    for (std::uint64_t number = 1; number <= newest; ++number) {
      if (!there.contains(number)) RETURN_IF_ERROR(make_segment(number));
    }
    return {};
  }
  const std::uint64_t holds_end = (snapshot_->durable.value() - 1) / segment_bytes_;
  if (newest < holds_end) RETURN_IF_ERROR(make_segment(holds_end));
  return {};
}

// The whole header is lost but its records tell what they carry of it.
Status Salvage::mend_header(std::uint64_t number) {
  const std::string path = segments_folder(to_) + "/" + segment_name(number);
  ASSIGN_OR_RETURN(const auto file, fs_.open(path, runtime::OpenMode::kReadWrite));
  if (read_segment_header(*file)) return {};
  const SegmentExtent extent{number, segment_bytes_, std::nullopt};
  SegmentScanner scanner(*file, extent, extent.data_begin());
  scanner.skip_blocks();
  while (scanner.next()) {
    if (scanner.uuid_prefix()) break;
  }
  SegmentHeader header;
  header.feature_level = feature_level_;
  header.number = number;
  header.segment_bytes = segment_bytes_;
  header.log_id = log_id_;
  header.uuid = log_id_;
  base::store(std::as_writable_bytes(std::span(header.uuid.bytes)).data(),
              scanner.uuid_prefix().value_or(static_cast<std::uint32_t>(number)));
  std::vector<std::byte> block(kSegmentDataOffset);
  encode_segment_header(header, block);
  RETURN_IF_ERROR(file->write_at(0, block));
  report_.headers.push_back(segment_name(number));
  return file->sync_data();
}

Status Salvage::make_segment(std::uint64_t number) {
  const std::string path = segments_folder(to_) + "/" + segment_name(number);
  {
    ASSIGN_OR_RETURN(const auto file, fs_.open(path, runtime::OpenMode::kCreate));
    RETURN_IF_ERROR(file->sync_data());
  }
  RETURN_IF_ERROR(mend_header(number));
  report_.headers.pop_back();
  report_.missing.push_back(segment_name(number));
  return {};
}

void Salvage::lose(const StreamId& stream, SequenceRange range, bool partly) {
  report_.lost.push_back({"", stream, range, partly});
}

void Salvage::note_messages(const ScanItem& item) {
  if (item.payload.size() < item.header.head_bytes) return;
  const auto decoded = decode_messages(item.payload.first(item.header.head_bytes));
  if (!decoded) return;
  const MessagesFact& fact = decoded->fact;
  const SequenceRange range{fact.first, fact.first + (fact.count - 1)};
  Seen& seen = streams_[fact.stream];
  // Of a stream that is seen for the first time nobody can say what was before.
  const bool known = seen.next != Sequence(1);
  if (known && seen.gap && seen.next + seen.jumped < range.first) {
    // Some of them may live in an extent.
    lose(fact.stream, {seen.next, range.first - 1 - seen.jumped}, !files_.extents.empty());
  }
  seen.gap = false;
  seen.jumped = 0;
  seen.next = std::max(seen.next, range.last + 1);
  if (!item.bad_blocks.empty()) lose(fact.stream, range, true);
}

void Salvage::note_gap() {
  for (auto& [stream, seen] : streams_) seen.gap = true;
}

void Salvage::note(const ScanItem& item) {
  if (item.kind == ScanItem::Kind::kPadding) return;
  if (item.kind == ScanItem::Kind::kBad) return note_gap();
  report_.end = item.end;
  if (item.header.type == RecordType::kMessages) return note_messages(item);
  if (!item.good()) return;
  if (item.header.type == RecordType::kIncarnation) {
    const auto fact = decode_incarnation(item.payload);
    if (!fact) return;
    for (auto& [stream, seen] : streams_) seen.jumped += fact->sequence_jump;
  } else if (item.header.type == RecordType::kQueueConfigured) {
    if (const auto fact = decode_queue_configured(item.payload)) names_[fact->queue] = fact->name;
  } else if (item.header.type == RecordType::kSegmentsDropped) {
    if (const auto fact = decode_segments_dropped(item.payload)) {
      dropped_.insert(fact->segments.begin(), fact->segments.end());
    }
  }
}

// A record whose checksum is good and whose content is none, as a bug leaves it, ends every start
// that replays it. In the copy it is damaged instead, which a start can live with.
Status Salvage::scan(std::uint64_t number, runtime::File& file) {
  const Result<SegmentHeader> header = read_segment_header(file);
  const SegmentExtent extent{number, segment_bytes_,
                             header ? std::optional(header->uuid_prefix()) : std::nullopt};
  SegmentScanner scanner(file, extent, extent.data_begin());
  std::vector<Lsn> malformed;
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->begin >= report_.snapshot && is_malformed(*item)) {
      malformed.push_back(item->begin);
      note_gap();
    } else {
      note(*item);
    }
  }
  const std::vector<std::byte> zeros(kRecordHeaderBytes);
  for (const Lsn begin : malformed) {
    RETURN_IF_ERROR(file.write_at(begin - extent.base(), zeros));
  }
  return malformed.empty() ? Status{} : file.sync_data();
}

Status Salvage::find_lost() {
  ASSIGN_OR_RETURN(const LogFiles copied, list_log_files(fs_, to_));
  std::uint64_t expected = 0;
  for (const std::uint64_t number : copied.segments) {
    for (; expected != 0 && expected < number; ++expected) {
      const bool told = dropped_.contains(expected) || (snapshot_ && !listed_.contains(expected));
      if (told) continue;
      note_gap();
    }
    expected = number + 1;
    ASSIGN_OR_RETURN(const auto file, fs_.open(segments_folder(to_) + "/" + segment_name(number),
                                               runtime::OpenMode::kReadWrite));
    RETURN_IF_ERROR(scan(number, *file));
  }
  for (SalvageReport::Lost& lost : report_.lost) {
    const auto name = names_.find(lost.stream.queue);
    lost.queue = name == names_.end() ? lost.stream.queue.to_hex() : name->second;
  }
  if (snapshot_) report_.end = std::max(report_.end, snapshot_->lsn);
  return {};
}

// As a backup, so that the broker is a new one. It must be able to start.
Status Salvage::finish() {
  BackupManifest manifest;
  manifest.log_id = log_id_;
  manifest.feature_level = feature_level_;
  manifest.segment_bytes = segment_bytes_;
  manifest.end = report_.end;
  manifest.by = "sluice log salvage of " + from_;
  RETURN_IF_ERROR(write_backup_manifest(fs_, backup_manifest_path(to_), manifest));
  for (const char* folder : {"segments", "snapshots", "index"}) {
    RETURN_IF_ERROR(fs_.sync_folder(to_ + "/" + folder));
  }
  RETURN_IF_ERROR(finish_folder(fs_, to_));
  auto plan = plan_recovery(fs_, to_);
  if (!plan) {
    // Nobody is to try.
    ASSIGN_OR_RETURN(const auto mark, fs_.open(incomplete_path(to_), runtime::OpenMode::kCreate));
    RETURN_IF_ERROR(mark->sync_data());
    return plan.error().with_prefix("what could be read does not make a log");
  }
  report_.corrupt = std::move(plan->report.corrupt);
  return {};
}

}  // namespace

Result<SalvageReport> salvage_log(runtime::FileSystem& fs, const std::string& from,
                                  const std::string& to, const CopyProgress& progress) {
  return Salvage(fs, from, to, progress).run();
}

}  // namespace sluice::storage
