#include "storage/segment_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "storage/fact_codec.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Status;

namespace {

base::Error bad_record(Lsn begin, std::string_view what) {
  return base::corruption("LSN " + std::to_string(begin.value()) + ": " + std::string(what));
}

}  // namespace

SegmentLog::SegmentLog(runtime::FileSystem& fs, const std::string& folder,
                       const LogOptions& options, LogState state)
    : fs_(fs),
      segments_folder_(segments_folder(folder)),
      random_id_(options.random_id),
      log_id_(state.log_id),
      feature_level_(state.feature_level),
      next_header_(state.active.header),
      uuid_prefix_(state.active_uuid_prefix),
      offset_(state.end - state.active.header.base()),
      active_(std::move(state.active)),
      positions_{state.end, state.end, state.end},
      tail_(options.tail_bytes_max),
      segments_(fs, segments_folder_, state.segment_bytes, options.open_files_max),
      pool_(fs, segments_folder_, state.segment_bytes, options.pool_files_max,
            std::move(state.pool_files)),
      reserve_(fs, folder, state.segment_bytes, state.reserve) {
  for (const SegmentExtent& extent : state.segments) {
    segments_.add(extent, extent.number == active_.header.number ? active_.file : nullptr);
  }
}

SegmentLog::~SegmentLog() = default;

Appended SegmentLog::append(RecordType type, ByteView head, ByteView tail, bool needs_sync) {
  const std::size_t bytes = record_bytes(head.size(), tail.size());
  CHECK(bytes + kSegmentDataOffset <= segment_bytes());
  if (offset_ + bytes > segment_bytes()) roll();

  const Lsn begin = next_header_.base() + offset_;
  std::byte* const at = tail_.reserve(begin, bytes, positions_.written);
  encode_record(type, head, tail, {uuid_prefix_, begin, positions_.durable}, at);
  WriteGroup& group = open_group();
  group.add_write(offset_, {at, bytes});
  group.set_end(begin + bytes);
  if (needs_sync) group.require_sync();
  if (type == RecordType::kMessageChunk) group.begin_early();
  offset_ += bytes;
  unwritten_bytes_ += bytes;
  positions_.appended = begin + bytes;
  if (type == RecordType::kFeatureLevel) {
    if (const auto fact = decode_feature_level(head)) feature_level_ = fact->level;
  }
  return {begin, positions_.appended};
}

WriteGroup& SegmentLog::open_group() {
  if (!open_) open_ = std::make_shared<WriteGroup>(*this, fs_, segments_folder_);
  return *open_;
}

void SegmentLog::roll() {
  std::array<std::byte, kRecordHeaderBytes> padding{};
  const std::uint64_t left = segment_bytes() - offset_;
  const bool padded = left >= kRecordHeaderBytes;
  if (padded) {
    const Lsn begin = next_header_.base() + offset_;
    encode_padding(left, {uuid_prefix_, begin, positions_.durable}, padding.data());
  }
  const std::uint64_t padding_offset = offset_;
  next_header_.feature_level = feature_level_;
  next_header_.number += 1;
  next_header_.uuid = random_id_();
  next_header_.log_id = log_id_;
  uuid_prefix_ = next_header_.uuid_prefix();
  offset_ = kSegmentDataOffset;
  SegmentSource source;
  source.pool_file = pool_.take();
  if (!source.pool_file) source.reserve_file = reserve_.take();
  open_group().add_roll(padding_offset, padded ? ByteView(padding) : ByteView{}, next_header_,
                        std::move(source));
}

std::shared_ptr<WriteGroup> SegmentLog::take_group() {
  if (!status_ || out_ || !open_) return nullptr;
  open_->set_target(active_);
  out_ = std::move(open_);
  open_ = nullptr;
  return out_;
}

void SegmentLog::complete(const WriteGroup& group, const Status& status) {
  CHECK(out_.get() == &group);
  const std::shared_ptr<WriteGroup> done = std::move(out_);
  out_ = nullptr;
  if (!status) {
    status_ = Status(status.error().with_prefix("the log is dead"));
    return;
  }
  active_ = group.target();
  for (std::string& path : group.unused_reserve()) reserve_.give_back(std::move(path));
  for (const SegmentFile& begun : group.begun()) {
    const SegmentHeader& header = begun.header;
    segments_.add({header.number, header.segment_bytes, header.uuid_prefix()}, begun.file);
    // A segment is begun only behind a synced one.
    positions_.durable = std::max(positions_.durable, header.base());
  }
  unwritten_bytes_ -= group.bytes();
  positions_.written = std::max(positions_.written, group.end());
  if (group.needs_sync()) positions_.durable = positions_.written;
  tail_.release(positions_.written);
  CHECK(positions_.durable <= positions_.written && positions_.written <= positions_.appended);
}

void SegmentLog::request_sync() {
  if (positions_.durable < positions_.appended) open_group().require_sync();
}

Status SegmentLog::flush() {
  while (const std::shared_ptr<WriteGroup> group = take_group()) group->finish(group->run());
  return status_;
}

double SegmentLog::active_fill() const {
  return static_cast<double>(offset_) / static_cast<double>(segment_bytes());
}

std::optional<SegmentLog::InMemory> SegmentLog::in_memory(Lsn begin) const {
  const std::byte* const at = tail_.find(begin);
  if (at == nullptr) return std::nullopt;
  // Only a position that is no record's begin fails here.
  const std::optional<RecordHeader> header =
      parse_record_header({at, kRecordHeaderBytes}, begin, std::nullopt);
  if (!header) return std::nullopt;
  return InMemory{*header, {at, header->total_bytes()}};
}

Result<RecordView> SegmentLog::read(Lsn begin, std::vector<std::byte>& buffer) {
  if (!status_) return status_.error();
  if (const std::optional<InMemory> found = in_memory(begin)) {
    const RecordHeader& header = found->header;
    return RecordView{begin, header.end(), header.type,
                      found->record.subspan(header.payload_offset(), header.payload_bytes)};
  }
  ASSIGN_OR_RETURN(const SegmentSet::Place place, segments_.place(begin));
  const std::string where = SegmentSet::describe(place.extent.number);
  const bool in_data = place.offset >= kSegmentDataOffset && place.offset % kRecordAlignment == 0;
  const bool written = is_extent(place.extent.number) || begin < positions_.written;
  if (!in_data || !written) return bad_record(begin, "no record begins here");

  // One read for the usual record, a second where it is longer.
  constexpr std::size_t kFirstRead = 16 * 1024;
  if (buffer.size() < kFirstRead) buffer.resize(kFirstRead);
  ASSIGN_OR_RETURN(std::size_t bytes, place.file->read_at(place.offset, buffer));
  const std::optional<RecordHeader> header =
      parse_record_header(ByteView(buffer).first(bytes), begin, place.extent.uuid_prefix);
  if (!header || header->padding()) return bad_record(begin, where + ": no valid record header");
  if (bytes < header->total_bytes()) {
    buffer.resize(std::max(buffer.size(), header->total_bytes()));
    ASSIGN_OR_RETURN(bytes, place.file->read_at(place.offset, buffer));
  }
  const std::size_t used = header->payload_offset() + header->payload_bytes;
  if (bytes < used) return bad_record(begin, where + ": the file ends inside the record");
  const ByteView record = ByteView(buffer).first(used);
  if (!verify_record_header(*header, record)) {
    return bad_record(begin, where + ": wrong checksum of a record header");
  }
  const BlockTable table = block_table(*header, record);
  for (std::size_t block = 0; block < table.blocks(); ++block) {
    const std::size_t at = header->tail_offset() + table.block_begin(block);
    if (table.verify(block, record.subspan(at, table.block_bytes(block)))) continue;
    return bad_record(begin, where + ": wrong checksum of block " + std::to_string(block));
  }
  return RecordView{begin, header->end(), header->type,
                    record.subspan(header->payload_offset(), header->payload_bytes)};
}

}  // namespace sluice::storage
