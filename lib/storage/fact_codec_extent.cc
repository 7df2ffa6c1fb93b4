#include "storage/fact_codec.h"
#include "storage/fact_fields.h"
#include "storage/varint.h"

// Type 18, extent swap: docs/log-format.md.
namespace sluice::storage {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;
using base::Result;

namespace {

void put_extent_stream(ByteWriter& out, const ExtentSwapFact::Stream& stream) {
  put_stream(out, stream.stream);
  out.u32(static_cast<std::uint32_t>(stream.groups.size()));
  ExtentSwapFact::Group last;
  for (const ExtentSwapFact::Group& group : stream.groups) {
    put_varint(out, group.first - last.first);
    put_varint(out, (group.offset - last.offset) / kRecordAlignment);
    last = group;
  }
  put_ranges(out, stream.ranges);
}

ExtentSwapFact::Stream get_extent_stream(ByteReader& in) {
  ExtentSwapFact::Stream stream;
  stream.stream = get_stream(in);
  const std::size_t groups = get_count(in, 2);
  stream.groups.reserve(groups);
  ExtentSwapFact::Group last;
  for (std::size_t i = 0; i < groups && in.ok(); ++i) {
    const std::uint64_t step = get_varint(in);
    if (i > 0 && step == 0) in.fail();
    last.first += step;
    last.offset += get_varint(in) * kRecordAlignment;
    stream.groups.push_back(last);
  }
  stream.ranges = get_ranges(in);
  if (stream.groups.empty() || stream.ranges.empty()) in.fail();
  return stream;
}

}  // namespace

void encode(const ExtentSwapFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  writer.u64(fact.extent);
  put_id(writer, fact.uuid);
  writer.u64(fact.bytes);
  writer.u32(fact.header_crc);
  writer.u32(static_cast<std::uint32_t>(fact.replaced.size()));
  for (const std::uint64_t number : fact.replaced) writer.u64(number);
  writer.u32(static_cast<std::uint32_t>(fact.streams.size()));
  for (const ExtentSwapFact::Stream& stream : fact.streams) put_extent_stream(writer, stream);
}

Result<ExtentSwapFact> decode_extent_swap(ByteView payload) {
  ByteReader in(payload);
  ExtentSwapFact fact;
  fact.extent = in.u64();
  fact.uuid = get_id<base::Id128>(in);
  fact.bytes = in.u64();
  fact.header_crc = in.u32();
  if (!is_extent(fact.extent)) in.fail();
  const std::size_t replaced = get_count(in, 8);
  for (std::size_t i = 0; i < replaced; ++i) {
    const std::uint64_t number = in.u64();
    if (number == fact.extent || (i > 0 && number <= fact.replaced.back())) in.fail();
    fact.replaced.push_back(number);
  }
  constexpr std::size_t kStreamBytesMin = 18 + 4 + 2 + 4 + 2;
  const std::size_t streams = get_count(in, kStreamBytesMin);
  for (std::size_t i = 0; i < streams && in.ok(); ++i) {
    fact.streams.push_back(get_extent_stream(in));
    if (i > 0 && !(fact.streams[i - 1].stream < fact.streams[i].stream)) in.fail();
  }
  return finish(in, std::move(fact), "ExtentSwap");
}

}  // namespace sluice::storage
