#include "storage/fact_fields.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "storage/log_format.h"
#include "storage/varint.h"

namespace sluice::storage {

void put_id(base::ByteWriter& out, const base::Id128& id) { out.array(id.bytes); }

void put_time(base::ByteWriter& out, base::WallTime time) { out.i64(time.value()); }

void put_text(base::ByteWriter& out, std::string_view text, std::size_t bytes_max) {
  out.text16(text.substr(0, bytes_max));
}

void put_stream(base::ByteWriter& out, const StreamId& stream) {
  put_id(out, stream.queue);
  out.u16(stream.shard.value());
}

void put_key(base::ByteWriter& out, const SubscriptionKey& key) {
  put_stream(out, key.stream);
  out.u16(key.subscription.value());
}

void put_ranges(base::ByteWriter& out, const std::vector<base::SequenceRange>& ranges) {
  out.u32(static_cast<std::uint32_t>(ranges.size()));
  // Through a buffer: there may be thousands of a few bytes each.
  constexpr std::size_t kRangeBytesMax = 2 * kVarintBytesMax;
  std::array<std::byte, 1024> buffer;
  std::byte* at = buffer.data();
  const auto flush = [&] {
    out.bytes({buffer.data(), at});
    at = buffer.data();
  };
  std::uint64_t last = 0;
  for (const base::SequenceRange& range : ranges) {
    if (buffer.data() + buffer.size() - at < static_cast<std::ptrdiff_t>(kRangeBytesMax)) flush();
    at = store_varint(at, zigzag_delta(last, range.first.value()));
    at = store_varint(at, range.last - range.first);
    last = range.last.value();
  }
  flush();
}

base::WallTime get_time(base::ByteReader& in) { return base::WallTime(in.i64()); }

std::string get_text(base::ByteReader& in, std::size_t bytes_max) {
  const std::string_view text = in.text16();
  if (text.size() > bytes_max) {
    in.fail();
    return {};
  }
  return std::string(text);
}

StreamId get_stream(base::ByteReader& in) {
  StreamId stream;
  stream.queue = get_id<base::QueueId>(in);
  stream.shard = base::ShardIndex(in.u16());
  return stream;
}

SubscriptionKey get_key(base::ByteReader& in) {
  SubscriptionKey key;
  key.stream = get_stream(in);
  key.subscription = base::SubscriptionId(in.u16());
  return key;
}

std::size_t get_count(base::ByteReader& in, std::size_t element_bytes_min) {
  const std::size_t count = in.u32();
  if (count > in.remaining() / element_bytes_min) {
    in.fail();
    return 0;
  }
  return count;
}

std::vector<base::SequenceRange> get_ranges(base::ByteReader& in) {
  const std::size_t count = get_count(in, 2);
  std::vector<base::SequenceRange> ranges;
  ranges.reserve(count);
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t first = get_delta(in, last);
    last = first + get_varint(in);
    if (last < first) in.fail();
    if (!in.ok()) return {};
    ranges.push_back({base::Sequence(first), base::Sequence(last)});
  }
  return ranges;
}

}  // namespace sluice::storage
