#include "storage/extent_copy.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/message.h"
#include "storage/fact_codec.h"
#include "storage/message_index.h"
#include "storage/record_codec.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Sequence;
using base::SequenceRange;
using base::Status;

namespace {

constexpr std::uint64_t kScanBytesAStep = 4U << 20;
constexpr std::uint64_t kWriteBytesAStep = 1U << 20;
constexpr std::size_t kPiecesMax = 128 * 1024;
constexpr std::size_t kFirstReadBytes = 8 * 1024;
// Less than a record's header may be left at a segment's end without a padding record.
constexpr std::uint64_t kUnpaddedBytes = kRecordHeaderBytes;

}  // namespace

ExtentCopy::ExtentCopy(runtime::FileSystem& fs, std::string segments_folder, CopyOrder order)
    : fs_(fs),
      folder_(std::move(segments_folder)),
      order_(std::move(order)),
      offset_(kSegmentDataOffset) {
  fact_.extent = order_.header.number;
  fact_.uuid = order_.header.uuid;
  for (const CopySource& source : order_.sources) fact_.replaced.push_back(source.extent.number);
}

std::string ExtentCopy::path() const { return folder_ + "/" + extent_name(order_.header.number); }

Status ExtentCopy::step() {
  Status status = work();
  if (status || !file_) return status;
  file_.reset();
  // Best effort: a leftover goes at the next start.
  if (!fs_.remove(path() + std::string(kTemporarySuffix))) return status;
  return status;
}

Status ExtentCopy::work() {
  if (phase_ == Phase::kScanning) return scan();
  if (phase_ == Phase::kWriting) return write();
  return {};
}

Status ExtentCopy::refuse(const std::string& why) {
  const SegmentExtent& extent = order_.sources[source_].extent;
  bad_source_ = extent.number;
  return base::corruption(data_file_name(extent.number) + ": " + why);
}

Status ExtentCopy::scan() {
  if (source_ == order_.sources.size()) return sort_pieces();
  const CopySource& source = order_.sources[source_];
  if (!scanner_) {
    const Lsn begin = source.extent.data_begin();
    scanner_ = std::make_unique<SegmentScanner>(*source.file, source.extent, begin);
    scanner_->skip_blocks();
  }
  const Lsn end = source.extent.base() + source.bytes;
  std::uint64_t scanned = 0;
  while (scanned < kScanBytesAStep) {
    const std::optional<ScanItem> item = scanner_->next();
    if (!item || item->begin >= end || item->kind == ScanItem::Kind::kPadding) {
      scanner_.reset();
      ++source_;
      return {};
    }
    scanned += item->end - item->begin;
    if (item->kind == ScanItem::Kind::kBad) {
      if (item->begin + kUnpaddedBytes > end) continue;
      return refuse("no valid record at LSN " + std::to_string(item->begin.value()));
    }
    RETURN_IF_ERROR(note(*item));
  }
  return {};
}

Status ExtentCopy::note(const ScanItem& item) {
  if (item.header.type == RecordType::kMessageChunk) return refuse("parts of large messages");
  if (item.header.type != RecordType::kMessages) return {};
  const std::size_t head = std::min<std::size_t>(item.payload.size(), item.header.head_bytes);
  const auto decoded = decode_messages(item.payload.first(head));
  if (!decoded) return refuse(decoded.error().message());
  const MessagesFact& fact = decoded->fact;
  const auto stream = std::lower_bound(
      order_.streams.begin(), order_.streams.end(), fact.stream,
      [](const CopyStream& one, const StreamId& wanted) { return one.stream < wanted; });
  if (stream == order_.streams.end() || stream->stream != fact.stream) return {};
  const SequenceRange range{fact.first, fact.first + (fact.count - 1)};
  const auto span =
      std::partition_point(stream->spans.begin(), stream->spans.end(),
                           [&](const CopySpan& one) { return one.range.last < range.first; });
  if (span == stream->spans.end() || range.last < span->range.first) return {};
  const auto run =
      std::partition_point(span->runs.begin(), span->runs.end(),
                           [&](const SequenceRange& one) { return one.last < range.first; });
  if (run == span->runs.end() || range.last < run->first) return {};
  if ((fact.flags & kMessagesLarge) != 0) return refuse("a large message that lives");
  if (pieces_.size() == kPiecesMax) return base::invalid_argument("too many records to be copied");
  pieces_.push_back({static_cast<std::uint32_t>(stream - order_.streams.begin()),
                     static_cast<std::uint32_t>(span - stream->spans.begin()),
                     static_cast<std::uint32_t>(source_), item.begin, range});
  return {};
}

Status ExtentCopy::sort_pieces() {
  if (pieces_.empty()) return base::not_found("nothing of it lives any more");
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.stream, a.range.first) < std::tie(b.stream, b.range.first);
  });
  phase_ = Phase::kWriting;
  return open_file();
}

Status ExtentCopy::open_file() {
  const std::string temporary = path() + std::string(kTemporarySuffix);
  if (order_.reserve_file.empty()) {
    ASSIGN_OR_RETURN(file_, fs_.open(temporary, runtime::OpenMode::kCreate));
    return {};
  }
  RETURN_IF_ERROR(fs_.rename(std::exchange(order_.reserve_file, {}), temporary));
  RETURN_IF_ERROR(fs_.sync_folder(folder_));
  ASSIGN_OR_RETURN(file_, fs_.open(temporary, runtime::OpenMode::kReadWrite));
  return {};
}

Status ExtentCopy::write() {
  while (next_piece_ < pieces_.size() && out_.size() < kWriteBytesAStep) {
    const Piece& piece = pieces_[next_piece_++];
    RETURN_IF_ERROR(copy(piece));
    if (offset_ > order_.header.segment_bytes) {
      return base::invalid_argument("more than one extent can hold");
    }
  }
  RETURN_IF_ERROR(flush());
  return next_piece_ == pieces_.size() ? complete() : Status();
}

// The whole record, verified.
Result<ByteView> ExtentCopy::read_record(const Piece& piece) {
  source_ = piece.source;
  const CopySource& source = order_.sources[piece.source];
  const std::uint64_t at = piece.lsn - source.extent.base();
  const std::string where = "LSN " + std::to_string(piece.lsn.value());
  if (record_.size() < kFirstReadBytes) record_.resize(kFirstReadBytes);
  ASSIGN_OR_RETURN(std::size_t got, source.file->read_at(at, record_));
  const std::optional<RecordHeader> header =
      parse_record_header(ByteView(record_).first(got), piece.lsn, source.extent.uuid_prefix);
  if (!header) return refuse(where + ": no valid record header").error();
  const std::size_t used = header->payload_offset() + header->payload_bytes;
  if (got < used) {
    record_.resize(std::max(record_.size(), used));
    ASSIGN_OR_RETURN(got, source.file->read_at(at, record_));
    if (got < used) return refuse(where + ": the file ends inside the record").error();
  }
  const ByteView record = ByteView(record_).first(used);
  if (!verify_record_header(*header, record)) {
    return refuse(where + ": wrong checksum of a record header").error();
  }
  const BlockTable table = block_table(*header, record);
  for (std::size_t block = 0; block < table.blocks(); ++block) {
    const std::size_t begin = header->tail_offset() + table.block_begin(block);
    if (table.verify(block, record.subspan(begin, table.block_bytes(block)))) continue;
    return refuse(where + ": wrong checksum of a block").error();
  }
  return record.subspan(header->payload_offset());
}

Status ExtentCopy::copy(const Piece& piece) {
  ASSIGN_OR_RETURN(const ByteView payload, read_record(piece));
  ASSIGN_OR_RETURN(const DecodedMessages decoded, decode_messages(payload));
  begin(piece);
  const CopySpan& span = order_.streams[piece.stream].spans[piece.span];
  ByteView entries = decoded.entries;
  Sequence at = decoded.fact.first;
  auto run =
      std::partition_point(span.runs.begin(), span.runs.end(),
                           [&](const SequenceRange& one) { return one.last < piece.range.first; });
  for (; run != span.runs.end() && run->first <= piece.range.last; ++run) {
    const Sequence first = std::max(run->first, piece.range.first);
    const Sequence last = std::min(run->last, piece.range.last);
    for (; at < first; at = at + 1) base::take_entry(entries);
    MessagesFact fact = decoded.fact;
    fact.first = first;
    fact.count = static_cast<std::uint32_t>(last - first + 1);
    fact.producer_sequence += first - decoded.fact.first;
    fact.body_bytes = 0;
    const std::byte* const begin_of_run = entries.data();
    for (; at <= last; at = at + 1) {
      fact.body_bytes += static_cast<std::uint32_t>(base::take_entry(entries).body.size());
    }
    put_record(fact, {begin_of_run, entries.data()});
  }
  return {};
}

// What changes with the stream and the span.
void ExtentCopy::begin(const Piece& piece) {
  const bool stream_begins = last_piece_ == nullptr || last_piece_->stream != piece.stream;
  if (stream_begins || last_piece_->span != piece.span) close_group();
  if (stream_begins) {
    fact_.streams.push_back({order_.streams[piece.stream].stream, {}, {}});
    previous_ = Lsn();
  }
  if (stream_begins || last_piece_->span != piece.span) {
    fact_.streams.back().ranges.push_back({Sequence(0), Sequence(0)});
  }
  last_piece_ = &piece;
}

void ExtentCopy::put_record(const MessagesFact& fact, ByteView entries) {
  MessagesFact copied = fact;
  copied.previous = previous_;
  std::array<std::byte, kMessagesHeadBytes> head;
  encode(copied, std::span(head));
  const std::size_t bytes = record_bytes(head.size(), entries.size());
  const Lsn lsn(order_.header.number * order_.header.segment_bytes + offset_);
  const std::size_t at = out_.size();
  out_.resize(at + bytes);
  encode_record(RecordType::kMessages, head, entries, {order_.header.uuid_prefix(), lsn, Lsn()},
                out_.data() + at);
  if (group_records_ > 0 &&
      (group_bytes_ >= kIndexGroupBytes || group_records_ >= kIndexGroupRecordsMax)) {
    close_group();
  }
  if (group_records_ == 0) group_.first = fact.first;
  group_.offset = offset_;
  group_bytes_ += bytes;
  ++group_records_;
  SequenceRange& range = fact_.streams.back().ranges.back();
  if (range.first == Sequence(0)) range.first = fact.first;
  range.last = fact.first + (fact.count - 1);
  previous_ = lsn;
  offset_ += bytes;
}

void ExtentCopy::close_group() {
  if (group_records_ == 0) return;
  fact_.streams.back().groups.push_back(group_);
  group_records_ = 0;
  group_bytes_ = 0;
}

Status ExtentCopy::flush() {
  if (out_.empty()) return {};
  RETURN_IF_ERROR(file_->write_at(offset_ - out_.size(), out_));
  out_.clear();
  return file_->sync_data();
}

Status ExtentCopy::complete() {
  close_group();
  order_.header.bytes = offset_;
  fact_.bytes = offset_;
  std::vector<std::byte> encoded;
  std::vector<std::byte> block(kSegmentDataOffset);
  fact_.header_crc = encode_extent_header(order_.header, block);
  encode(fact_, encoded);
  if (encoded.size() > kRecordBytesMax) {
    return base::invalid_argument("more streams than one record can tell of");
  }
  RETURN_IF_ERROR(file_->write_at(0, block));
  RETURN_IF_ERROR(file_->truncate(offset_));
  RETURN_IF_ERROR(file_->sync_data());
  RETURN_IF_ERROR(fs_.rename(path() + std::string(kTemporarySuffix), path()));
  RETURN_IF_ERROR(fs_.sync_folder(folder_));
  pieces_ = {};
  last_piece_ = nullptr;
  record_ = {};
  phase_ = Phase::kDone;
  return {};
}

}  // namespace sluice::storage
