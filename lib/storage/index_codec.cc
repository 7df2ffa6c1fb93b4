#include <algorithm>
#include <utility>

#include "storage/fact_fields.h"
#include "storage/log_format.h"
#include "storage/message_index.h"
#include "storage/varint.h"

// The index section of a snapshot <-> MessageIndex.
namespace sluice::storage {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;
using base::Lsn;
using base::Result;
using base::Sequence;

std::vector<std::pair<StreamId, const MessageIndex::Stream*>> MessageIndex::sorted_streams() const {
  std::vector<std::pair<StreamId, const Stream*>> sorted;
  sorted.reserve(streams_.size());
  for (const auto& [id, stream] : streams_) sorted.emplace_back(id, &stream);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return sorted;
}

void MessageIndex::encode(std::vector<std::byte>& out) const {
  ByteWriter writer(out);
  const auto sorted = sorted_streams();
  writer.u32(static_cast<std::uint32_t>(sorted.size()));
  for (const auto& [id, stream] : sorted) {
    put_stream(writer, id);
    writer.u64(stream->last_record.value());
    writer.u64(stream->last.value());
    const std::size_t open = stream->open.empty() ? 0 : 1;
    writer.u32(static_cast<std::uint32_t>(stream->closed.size() + open));
    Group last;
    const auto put_group = [&](const Group& group) {
      put_varint(writer, group.first - last.first);
      put_varint(writer, (group.last_record - last.last_record) / kRecordAlignment);
      last = group;
    };
    for (const Group& group : stream->closed) put_group(group);
    if (open != 0) put_group({stream->open.front().first, stream->open.back().lsn});
  }
  writer.u32(static_cast<std::uint32_t>(segments_.size()));
  // Pieces of a large message whose last segment went, with all of its stream, mean nothing.
  const auto is_known = [this](const SegmentRange& range) {
    return streams_.contains(range.stream);
  };
  for (const auto& [number, ranges] : segments_) {
    writer.u64(number);
    writer.u32(static_cast<std::uint32_t>(std::count_if(ranges.begin(), ranges.end(), is_known)));
    for (const SegmentRange& range : ranges) {
      if (!is_known(range)) continue;
      const auto at =
          std::lower_bound(sorted.begin(), sorted.end(), range.stream,
                           [](const auto& entry, const StreamId& id) { return entry.first < id; });
      writer.u32(static_cast<std::uint32_t>(at - sorted.begin()));
      put_varint(writer, range.range.first.value());
      put_varint(writer, range.range.last - range.range.first);
    }
  }
}

Result<MessageIndex> MessageIndex::decode(ByteView bytes, std::uint64_t segment_bytes) {
  MessageIndex index(segment_bytes);
  ByteReader in(bytes);
  std::vector<StreamId> ids;
  const std::size_t streams = get_count(in, 38);
  ids.reserve(streams);
  for (std::size_t i = 0; i < streams && in.ok(); ++i) {
    ids.push_back(get_stream(in));
    Stream& stream = index.streams_[ids.back()];
    stream.last_record = Lsn(in.u64());
    stream.last = Sequence(in.u64());
    const std::size_t groups = get_count(in, 2);
    Group last;
    for (std::size_t group = 0; group < groups && in.ok(); ++group) {
      last.first += get_varint(in);
      last.last_record += get_varint(in) * kRecordAlignment;
      stream.closed.push_back(last);
    }
    if (ids.size() > 1 && !(ids[ids.size() - 2] < ids.back())) in.fail();
  }
  const std::size_t segments = get_count(in, 12);
  for (std::size_t i = 0; i < segments && in.ok(); ++i) {
    const std::uint64_t number = in.u64();
    std::vector<SegmentRange>& ranges = index.segments_[number];
    const std::size_t count = get_count(in, 6);
    ranges.reserve(count);
    for (std::size_t range = 0; range < count && in.ok(); ++range) {
      const std::size_t id = in.u32();
      const Sequence first(get_varint(in));
      const Sequence last = first + get_varint(in);
      if (id >= ids.size() || last < first) {
        in.fail();
        break;
      }
      Stream& stream = index.streams_[ids[id]];
      if (!is_extent(number)) {
        stream.range_segment = number;
        stream.range_index = ranges.size();
      }
      ranges.push_back({ids[id], {first, last}});
    }
  }
  if (!in.at_end()) return base::corruption("malformed message index");
  return index;
}

}  // namespace sluice::storage
