#include "storage/extent_copy.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/message.h"
#include "storage/fact_codec.h"
#include "storage/large_message.h"
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
  for (const CopySource& source : order_.sources) {
    if (!source.stays) fact_.replaced.push_back(source.extent.number);
  }
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
  CHECK(phase_ != Phase::kAsking);
  if (phase_ == Phase::kScanning) return scan();
  if (phase_ == Phase::kWriting) return write();
  return {};
}

Status ExtentCopy::refuse(const std::string& why) {
  const SegmentExtent& extent = order_.sources[source_].extent;
  bad_source_ = order_.sources[source_].needed_by;
  return base::corruption(data_file_name(extent.number) + ": " + why);
}

Status ExtentCopy::scan() {
  if (source_ == order_.sources.size()) {
    sort_pieces();
    return pieces_.empty() ? Status(base::not_found("nothing of it lives any more")) : Status();
  }
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
    const bool is_over = source.stays && item && item->kind == ScanItem::Kind::kRecord &&
                         item->header.type != RecordType::kMessageChunk &&
                         item->header.type != RecordType::kMessages;
    if (!item || is_over || item->begin >= end || item->kind == ScanItem::Kind::kPadding) {
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
    // Only what began in the file before it.
    if (!source.stays || item->header.type != RecordType::kMessages) continue;
    scanner_.reset();
    ++source_;
    return {};
  }
  return {};
}

std::uint64_t ExtentCopy::bytes_of(const ScanItem& item, const MessagesFact& fact,
                                   const std::vector<SequenceRange>& runs) {
  const SequenceRange range{fact.first, fact.first + (fact.count - 1)};
  std::uint64_t wanted = 0;
  auto run = std::partition_point(runs.begin(), runs.end(),
                                  [&](const SequenceRange& one) { return one.last < range.first; });
  for (; run != runs.end() && run->first <= range.last; ++run) {
    wanted += std::min(run->last, range.last) - std::max(run->first, range.first) + 1;
  }
  wanted = std::min<std::uint64_t>(wanted, fact.count);
  std::uint64_t bytes = (item.end - item.begin) * wanted / fact.count;
  if ((fact.flags & kMessagesLarge) == 0 || wanted == 0) return bytes;
  for (std::size_t piece = 1; piece < piece_count(fact.entry_bytes); ++piece) {
    bytes += record_bytes(kChunkHeadBytes, piece_bytes(fact.entry_bytes, piece));
  }
  return bytes;
}

Status ExtentCopy::note(const ScanItem& item) {
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
  const std::uint64_t bytes = bytes_of(item, fact, span->runs);
  if (bytes == 0) return {};
  const bool is_large = (fact.flags & kMessagesLarge) != 0;
  if (order_.sources[source_].stays && !is_large) return {};
  if (pieces_.size() == kPiecesMax) return base::invalid_argument("too many records to be copied");
  pieces_.push_back({static_cast<std::uint32_t>(stream - order_.streams.begin()),
                     static_cast<std::uint32_t>(span - stream->spans.begin()),
                     static_cast<std::uint32_t>(source_), item.begin, range, bytes, is_large});
  return {};
}

void ExtentCopy::sort_pieces() {
  // What an earlier compaction has moved may still have its record in a segment that stayed.
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return std::tie(a.stream, a.range.first, b.lsn) < std::tie(b.stream, b.range.first, a.lsn);
  });
  const auto same = [](const Piece& a, const Piece& b) {
    return a.stream == b.stream && a.range.first == b.range.first;
  };
  pieces_.erase(std::unique(pieces_.begin(), pieces_.end(), same), pieces_.end());
  phase_ = Phase::kAsking;
  asked_ = 0;
  go_on_asking();
}

std::optional<ExtentCopy::Asked> ExtentCopy::asks() const {
  if (phase_ != Phase::kAsking) return std::nullopt;
  const Piece& piece = pieces_[asked_];
  return Asked{order_.streams[piece.stream].stream, piece.range.first};
}

void ExtentCopy::answer(bool lives) {
  CHECK(phase_ == Phase::kAsking);
  if (!lives) pieces_[asked_].bytes = 0;
  ++asked_;
  go_on_asking();
}

void ExtentCopy::go_on_asking() {
  while (asked_ < pieces_.size() && !pieces_[asked_].large) ++asked_;
  if (asked_ < pieces_.size()) return;
  std::erase_if(pieces_, [](const Piece& piece) { return piece.bytes == 0; });
  for (const Piece& piece : pieces_) {
    bytes_to_copy_[order_.sources[piece.source].needed_by] += piece.bytes;
  }
  phase_ = Phase::kWriting;
}

Status ExtentCopy::begin_writing() {
  if (pieces_.empty()) return base::not_found("nothing of it lives any more");
  std::uint64_t bytes = kSegmentDataOffset;
  for (const Piece& piece : pieces_) bytes += piece.bytes;
  // The rest is found out when it is written.
  if (bytes > order_.header.segment_bytes) {
    return base::invalid_argument("more than one extent can hold");
  }
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
  if (!file_) RETURN_IF_ERROR(begin_writing());
  const auto is_complete = [&] { return next_piece_ == pieces_.size() && !large_; };
  while (!is_complete() && out_.size() < kWriteBytesAStep) {
    if (large_) {
      RETURN_IF_ERROR(copy_chunk());
    } else {
      const Piece& piece = pieces_[next_piece_++];
      RETURN_IF_ERROR(copy(piece));
    }
    if (offset_ > order_.header.segment_bytes) {
      return base::invalid_argument("more than one extent can hold");
    }
  }
  RETURN_IF_ERROR(flush());
  return is_complete() ? complete() : Status();
}

// The whole record, verified.
Result<ByteView> ExtentCopy::read_record(std::size_t number, Lsn lsn) {
  source_ = number;
  const CopySource& source = order_.sources[number];
  const std::uint64_t at = lsn - source.extent.base();
  const std::string where = "LSN " + std::to_string(lsn.value());
  if (record_.size() < kFirstReadBytes) record_.resize(kFirstReadBytes);
  ASSIGN_OR_RETURN(std::size_t got, source.file->read_at(at, record_));
  const std::optional<RecordHeader> header =
      parse_record_header(ByteView(record_).first(got), lsn, source.extent.uuid_prefix);
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
  ASSIGN_OR_RETURN(const ByteView payload, read_record(piece.source, piece.lsn));
  ASSIGN_OR_RETURN(const DecodedMessages decoded, decode_messages(payload));
  begin(piece);
  if (piece.large) {
    large_ = LargeCopy{decoded.fact, Lsn(), {decoded.entries.begin(), decoded.entries.end()}};
    return {};
  }
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

// The next piece of a large message, and the record that makes it one behind the last.
Status ExtentCopy::copy_chunk() {
  const MessagesFact& fact = large_->fact;
  if (large_->next == piece_count(fact.entry_bytes)) {
    MessagesFact copied = fact;
    copied.chunks = large_->chunks;
    copied.previous = previous_;
    std::array<std::byte, kLargeHeadBytes> head;
    encode_large(copied, std::span(head));
    const std::uint64_t offset = offset_;
    previous_ = put(RecordType::kMessages, head, large_->front);
    note_record(copied, offset, offset_ - offset);
    large_.reset();
    return {};
  }
  const std::size_t piece = large_->next++;
  const std::uint64_t segment_bytes = order_.header.segment_bytes;
  const Lsn lsn = piece_lsn(fact.chunks, piece, fact.entry_bytes, segment_bytes);
  const auto source =
      std::find_if(order_.sources.begin(), order_.sources.end(),
                   [&](const auto& s) { return s.extent.number == lsn.value() / segment_bytes; });
  if (source == order_.sources.end()) {
    return refuse("a piece of a large message is nowhere at LSN " + std::to_string(lsn.value()));
  }
  const auto number = static_cast<std::size_t>(source - order_.sources.begin());
  ASSIGN_OR_RETURN(const ByteView payload, read_record(number, lsn));
  const auto chunk = decode_message_chunk(payload);
  const bool is_it =
      chunk && chunk->fact.stream == fact.stream && chunk->fact.sequence == fact.first &&
      chunk->fact.entry_bytes == fact.entry_bytes && chunk->fact.offset == piece * kLargePieceBytes;
  if (!is_it) return refuse("no piece of its message at LSN " + std::to_string(lsn.value()));
  const Lsn copied = put(RecordType::kMessageChunk, payload.first(kChunkHeadBytes),
                         payload.subspan(kChunkHeadBytes));
  if (piece == 1) large_->chunks = copied;
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
  const std::uint64_t offset = offset_;
  previous_ = put(RecordType::kMessages, head, entries);
  note_record(fact, offset, offset_ - offset);
}

Lsn ExtentCopy::put(RecordType type, ByteView head, ByteView tail) {
  const std::size_t bytes = record_bytes(head.size(), tail.size());
  const Lsn lsn(order_.header.number * order_.header.segment_bytes + offset_);
  const std::size_t at = out_.size();
  out_.resize(at + bytes);
  encode_record(type, head, tail, {order_.header.uuid_prefix(), lsn, Lsn()}, out_.data() + at);
  offset_ += bytes;
  return lsn;
}

// A messages record is there.
void ExtentCopy::note_record(const MessagesFact& fact, std::uint64_t offset, std::uint64_t bytes) {
  if (group_records_ > 0 &&
      (group_bytes_ >= kIndexGroupBytes || group_records_ >= kIndexGroupRecordsMax)) {
    close_group();
  }
  if (group_records_ == 0) group_.first = fact.first;
  group_.offset = offset;
  group_bytes_ += bytes;
  ++group_records_;
  SequenceRange& range = fact_.streams.back().ranges.back();
  if (range.first == Sequence(0)) range.first = fact.first;
  range.last = fact.first + (fact.count - 1);
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
