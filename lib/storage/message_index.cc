#include "storage/message_index.h"

#include <algorithm>

#include "base/check.h"
#include "storage/log_format.h"

namespace sluice::storage {

using base::Lsn;
using base::Sequence;

namespace {

constexpr std::size_t kDequeBytesMin = 576;

}  // namespace

std::optional<MessageIndex::Expanded> MessageIndex::add(const StreamId& id,
                                                        const BatchLocation& batch,
                                                        std::uint64_t record_bytes) {
  Stream& stream = streams_[id];
  if (batch.first <= stream.last) return std::nullopt;
  std::optional<Expanded> closed;
  const std::uint64_t segment = segment_of(batch.lsn);
  if (!stream.open.empty() && segment_of(stream.open.back().lsn) != segment) {
    closed = close_group(stream);
  }
  // Every segment with a piece of it must stay as long as the message lives.
  const std::uint64_t first = batch.large() ? segment_of(batch.chunks) : segment;
  for (std::uint64_t number = std::min(first, segment); number <= segment; ++number) {
    note_range(id, stream, number, batch);
  }
  stream.open.push_back(batch);
  stream.open_bytes += record_bytes;
  stream.last_record = batch.lsn;
  stream.last = batch.last();
  const bool full =
      stream.open_bytes >= kIndexGroupBytes || stream.open.size() >= kIndexGroupRecordsMax;
  return full ? close_group(stream) : closed;
}

std::optional<MessageIndex::Expanded> MessageIndex::close_group(Stream& stream) {
  Expanded expanded;
  expanded.group = {stream.open.front().first, stream.open.back().lsn};
  expanded.batches = std::move(stream.open);
  stream.closed.push_back(expanded.group);
  stream.open = {};
  stream.open_bytes = 0;
  return expanded;
}

void MessageIndex::note_range(const StreamId& id, Stream& stream, std::uint64_t segment,
                              const BatchLocation& batch) {
  std::vector<SegmentRange>& ranges = segments_[segment];
  if (stream.range_segment != segment) {
    stream.range_segment = segment;
    stream.range_index = ranges.size();
    ranges.push_back({id, {batch.first, batch.last()}});
    return;
  }
  ranges[stream.range_index].range.last = batch.last();
}

Lsn MessageIndex::last_record(const StreamId& stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? Lsn() : found->second.last_record;
}

std::optional<MessageIndex::Position> MessageIndex::find(const StreamId& id,
                                                         Sequence sequence) const {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return std::nullopt;
  const Stream& stream = found->second;
  if (sequence > stream.last || (stream.closed.empty() && stream.open.empty())) {
    return std::nullopt;
  }
  if (!stream.open.empty() && sequence >= stream.open.front().first) {
    return Position{stream.closed.size()};
  }
  const auto after =
      std::upper_bound(stream.closed.begin(), stream.closed.end(), sequence,
                       [](Sequence wanted, const Group& group) { return wanted < group.first; });
  const auto before = after == stream.closed.begin() ? after : std::prev(after);
  return Position{static_cast<std::size_t>(before - stream.closed.begin())};
}

std::size_t MessageIndex::groups_count(const StreamId& id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? 0 : found->second.closed.size();
}

MessageIndex::Group MessageIndex::group(const StreamId& id, std::size_t group) const {
  const auto found = streams_.find(id);
  CHECK(found != streams_.end() && group < found->second.closed.size());
  return found->second.closed[group];
}

const std::vector<BatchLocation>& MessageIndex::open_batches(const StreamId& id) const {
  static const std::vector<BatchLocation> kNone;
  const auto found = streams_.find(id);
  return found == streams_.end() ? kNone : found->second.open;
}

std::vector<std::uint64_t> MessageIndex::segments() const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, ranges] : segments_) numbers.push_back(number);
  return numbers;
}

const std::vector<MessageIndex::SegmentRange>& MessageIndex::ranges(std::uint64_t segment) const {
  static const std::vector<SegmentRange> kNone;
  const auto found = segments_.find(segment);
  return found == segments_.end() ? kNone : found->second;
}

// What lies across the begin of a segment is what the first record in it is about.
std::optional<MessageIndex::SegmentRange> MessageIndex::across(std::uint64_t segment) const {
  if (is_extent(segment) || ranges(segment).empty()) return std::nullopt;
  const SegmentRange& first = ranges(segment).front();
  const std::vector<SegmentRange>& before = ranges(segment - 1);
  const bool is_there = std::any_of(before.begin(), before.end(), [&](const SegmentRange& range) {
    return range.stream == first.stream && first.range.first <= range.range.last;
  });
  if (!is_there) return std::nullopt;
  return SegmentRange{first.stream, {first.range.first, first.range.first}};
}

// Pieces of a large message in a segment that stays mean nothing any more.
void MessageIndex::forget_pieces(std::uint64_t segment, const SegmentRange& message) {
  const Sequence sequence = message.range.first;
  std::vector<SegmentRange>& ranges = segments_.at(segment);
  const auto found = std::find_if(ranges.begin(), ranges.end(), [&](const SegmentRange& range) {
    return range.stream == message.stream && range.range.contains(sequence);
  });
  if (found == ranges.end()) return;
  if (found->range.count() > 1) {
    // It is the first message of the segment, or the last.
    if (found->range.first == sequence) {
      found->range.first = sequence + 1;
    } else {
      found->range.last = sequence - 1;
    }
    return;
  }
  const auto at = static_cast<std::size_t>(found - ranges.begin());
  ranges.erase(found);
  const auto own = streams_.find(message.stream);
  if (own != streams_.end() && own->second.range_segment == segment) own->second.range_segment = 0;
  for (std::size_t i = at; i < ranges.size(); ++i) {
    const auto stream = streams_.find(ranges[i].stream);
    if (stream != streams_.end() && stream->second.range_segment == segment) {
      stream->second.range_index = i;
    }
  }
}

// Of large messages of which a part lay in files that go, and a part in others. Nothing else of the
// stream lies in the record's ranges; so what of a segment that stays does, at an edge of it, has
// moved. The files that go may be unknown here: recovery finds them missing before it replays this.
void MessageIndex::forget_moved_pieces(const ExtentSwapFact& fact) {
  const auto goes = [&](std::uint64_t number) {
    return std::binary_search(fact.replaced.begin(), fact.replaced.end(), number);
  };
  const auto has_moved = [&](const StreamId& id, Sequence sequence) {
    const auto part = std::lower_bound(fact.streams.begin(), fact.streams.end(), id,
                                       [](const ExtentSwapFact::Stream& one,
                                          const StreamId& wanted) { return one.stream < wanted; });
    if (part == fact.streams.end() || part->stream != id) return false;
    const auto range =
        std::partition_point(part->ranges.begin(), part->ranges.end(),
                             [&](const base::SequenceRange& one) { return one.last < sequence; });
    return range != part->ranges.end() && range->first <= sequence;
  };
  const auto moved_at_edge = [&](std::uint64_t number) -> std::optional<SegmentRange> {
    for (const SegmentRange& range : ranges(number)) {
      for (const Sequence edge : {range.range.first, range.range.last}) {
        if (has_moved(range.stream, edge)) return SegmentRange{range.stream, {edge, edge}};
      }
    }
    return std::nullopt;
  };
  const auto forget = [&](std::uint64_t number, bool backwards) {
    while (!goes(number)) {
      const auto message = moved_at_edge(number);
      if (!message) return;
      forget_pieces(number, *message);
      number = backwards ? number - 1 : number + 1;
    }
  };
  for (const std::uint64_t number : fact.replaced) {
    if (is_extent(number)) continue;
    forget(number - 1, true);
    forget(number + 1, false);
  }
}

// A group lies in one segment, and nothing else of its stream lies in the segment's ranges.
void MessageIndex::drop_groups(std::uint64_t segment, Stream& stream,
                               base::SequenceRange range) const {
  const auto below = [](const Group& group, Sequence first) { return group.first < first; };
  const auto from =
      std::lower_bound(stream.closed.begin(), stream.closed.end(), range.first, below);
  const auto to = std::lower_bound(from, stream.closed.end(), range.last + 1, below);
  stream.closed.erase(from, to);
  if (!stream.open.empty() && segment_of(stream.open.back().lsn) == segment) {
    stream.open = {};
    stream.open_bytes = 0;
  }
}

void MessageIndex::drop_segment(std::uint64_t number) {
  const auto segment = segments_.find(number);
  if (segment == segments_.end()) return;
  for (const SegmentRange& range : segment->second) {
    const auto found = streams_.find(range.stream);
    if (found != streams_.end()) drop_groups(number, found->second, range.range);
  }
  forget_segment(number);
}

// Its groups are gone; streams that have nothing else go too.
void MessageIndex::forget_segment(std::uint64_t number) {
  const auto segment = segments_.find(number);
  if (segment == segments_.end()) return;
  for (const SegmentRange& range : segment->second) {
    const auto found = streams_.find(range.stream);
    if (found == streams_.end()) continue;
    if (found->second.closed.empty() && found->second.open.empty()) streams_.erase(found);
  }
  segments_.erase(segment);
}

void MessageIndex::swap(const ExtentSwapFact& fact) {
  if (segments_.contains(fact.extent)) return;
  ++swaps_;
  forget_moved_pieces(fact);
  for (const std::uint64_t number : fact.replaced) {
    for (const SegmentRange& range : ranges(number)) {
      const auto found = streams_.find(range.stream);
      if (found != streams_.end()) drop_groups(number, found->second, range.range);
    }
  }
  std::vector<SegmentRange>& moved = segments_[fact.extent];
  const Lsn base(fact.extent * segment_bytes_);
  for (const ExtentSwapFact::Stream& part : fact.streams) {
    Stream& stream = streams_[part.stream];
    stream.last = std::max(stream.last, part.ranges.back().last);
    const auto middle = static_cast<std::ptrdiff_t>(stream.closed.size());
    for (const ExtentSwapFact::Group& group : part.groups) {
      stream.closed.push_back({group.first, base + group.offset});
    }
    std::inplace_merge(stream.closed.begin(), stream.closed.begin() + middle, stream.closed.end(),
                       [](const Group& a, const Group& b) { return a.first < b.first; });
    for (const base::SequenceRange& range : part.ranges) moved.push_back({part.stream, range});
  }
  for (const std::uint64_t number : fact.replaced) forget_segment(number);
}

bool MessageIndex::any_group_between(const StreamId& id, base::SequenceRange two) const {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return false;
  const Stream& stream = found->second;
  const auto behind =
      std::upper_bound(stream.closed.begin(), stream.closed.end(), two.first,
                       [](Sequence wanted, const Group& group) { return wanted < group.first; });
  if (behind != stream.closed.end() && behind->first < two.last) return true;
  if (stream.open.empty()) return false;
  const Sequence open = stream.open.front().first;
  return two.first < open && open < two.last;
}

std::size_t MessageIndex::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, stream] : streams_) {
    bytes += sizeof(Stream) + sizeof(StreamId) + 2 * sizeof(void*);
    bytes += kDequeBytesMin + stream.closed.size() * (sizeof(Group) + 1);
    bytes += stream.open.capacity() * sizeof(BatchLocation);
  }
  for (const auto& [number, ranges] : segments_) {
    bytes += ranges.capacity() * sizeof(SegmentRange) + 8 * sizeof(void*);
  }
  return bytes;
}

}  // namespace sluice::storage
