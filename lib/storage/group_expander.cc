#include "storage/group_expander.h"

#include <algorithm>
#include <array>
#include <vector>

#include "storage/fact_codec.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;

namespace {

struct Head {
  RecordHeader header;
  MessagesFact fact;
};

// Not a matter of what the bytes are: they could not be read.
bool is_io(const base::Error& error) {
  return error.code() != base::ErrorCode::kCorruption && error.code() != base::ErrorCode::kNotFound;
}

Result<Head> decode_head(const RecordHeader& header, ByteView head) {
  if (header.type != RecordType::kMessages) return base::corruption("no messages record");
  ASSIGN_OR_RETURN(const DecodedMessages decoded, decode_messages(head));
  if (!decoded.entries.empty()) return base::corruption("a messages record with a longer head");
  return Head{header, decoded.fact};
}

Result<Head> read_head(SegmentLog& log, Lsn begin) {
  if (const std::optional<SegmentLog::InMemory> found = log.in_memory(begin)) {
    const RecordHeader& header = found->header;
    return decode_head(header, found->record.subspan(header.payload_offset(), header.head_bytes));
  }
  ASSIGN_OR_RETURN(const SegmentSet::Place place, log.segments().place(begin));
  std::array<std::byte, kRecordHeaderBytes + kBlocksMax * kBlockEntryBytes + kLargeHeadBytes> front;
  ASSIGN_OR_RETURN(const std::size_t got, place.file->read_at(place.offset, front));
  const ByteView bytes = ByteView(front).first(got);
  const std::optional<RecordHeader> header =
      parse_record_header(bytes, begin, place.extent.uuid_prefix);
  if (!header || header->covered_bytes() > got || !verify_record_header(*header, bytes)) {
    return base::corruption("no valid record header");
  }
  return decode_head(*header, bytes.subspan(header->payload_offset(), header->head_bytes));
}

// The batches of [from, to) that belong to the group.
void scan(SegmentLog& log, const StreamId& stream, const MessageIndex::Group& group, Lsn from,
          Lsn to, std::vector<BatchLocation>& out, bool& unreadable) {
  const Result<SegmentSet::Place> place = log.segments().place(from);
  if (!place) {
    unreadable = is_io(place.error());
    return;
  }
  SegmentScanner scanner(*place->file, place->extent, from);
  scanner.skip_blocks();
  while (const std::optional<ScanItem> item = scanner.next()) {
    if (item->begin >= to) return;
    unreadable = unreadable || item->unreadable;
    if (item->kind != ScanItem::Kind::kRecord) continue;
    if (item->payload.size() < item->header.head_bytes) continue;
    const Result<Head> head =
        decode_head(item->header, item->payload.first(item->header.head_bytes));
    if (!head || head->fact.stream != stream || head->fact.first < group.first) continue;
    out.push_back(batch_location(head->fact, item->begin, item->header.payload_bytes));
  }
}

}  // namespace

BatchLocation batch_location(const MessagesFact& fact, Lsn lsn, std::size_t payload_bytes) {
  BatchLocation batch;
  batch.lsn = lsn;
  batch.first = fact.first;
  batch.count = fact.count;
  batch.entries_offset = kMessagesHeadBytes;
  batch.entries_bytes = static_cast<std::uint32_t>(payload_bytes - kMessagesHeadBytes);
  batch.body_bytes = fact.body_bytes;
  batch.accepted_at = fact.accepted_at;
  batch.flags = fact.flags;
  if ((fact.flags & kMessagesLarge) != 0) {
    batch.entries_offset = kLargeHeadBytes;
    batch.entries_bytes = static_cast<std::uint32_t>(fact.entry_bytes);
    batch.chunks = fact.chunks;
  }
  return batch;
}

MessageIndex::Expanded expand_group(SegmentLog& log, const StreamId& stream,
                                    const MessageIndex::Group& group, Lsn scan_from) {
  MessageIndex::Expanded expanded;
  expanded.group = group;
  std::vector<BatchLocation>& batches = expanded.batches;
  Lsn at = group.last_record;
  bool broken = false;
  for (bool more = true; more;) {
    const Result<Head> head = read_head(log, at);
    broken = !head || head->fact.stream != stream || head->fact.first < group.first;
    if (broken && !head) expanded.unreadable = is_io(head.error());
    if (broken) break;
    batches.push_back(batch_location(head->fact, at, head->header.payload_bytes));
    const Lsn previous = head->fact.previous;
    more = head->fact.first > group.first && previous >= scan_from && previous < at;
    if (more) at = previous;
  }
  std::reverse(batches.begin(), batches.end());
  if (broken) {
    if (!expanded.unreadable) expanded.lost = at;
    std::vector<BatchLocation> found;
    scan(log, stream, group, scan_from, at, found, expanded.unreadable);
    batches.insert(batches.begin(), found.begin(), found.end());
  }
  return expanded;
}

}  // namespace sluice::storage
