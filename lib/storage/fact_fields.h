#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/fact.h"
#include "storage/record_type.h"

// The fields that several facts share. Private to fact_codec*.cc. A get_*() that meets nonsense
// fails the reader; decode functions ask it once, at their end, through finish().
namespace sluice::storage {

void put_id(base::ByteWriter& out, const base::Id128& id);
void put_time(base::ByteWriter& out, base::WallTime time);
// Cut at `bytes_max`.
void put_text(base::ByteWriter& out, std::string_view text, std::size_t bytes_max);
void put_stream(base::ByteWriter& out, const StreamId& stream);
void put_key(base::ByteWriter& out, const SubscriptionKey& key);
void put_ranges(base::ByteWriter& out, const std::vector<base::SequenceRange>& ranges);

template <typename IdType>
IdType get_id(base::ByteReader& in) {
  return IdType(base::Id128{in.array<16>()});
}
base::WallTime get_time(base::ByteReader& in);
std::string get_text(base::ByteReader& in, std::size_t bytes_max);
StreamId get_stream(base::ByteReader& in);
SubscriptionKey get_key(base::ByteReader& in);
std::vector<base::SequenceRange> get_ranges(base::ByteReader& in);
// A u32 count whose elements have at least `element_bytes_min` bytes each.
std::size_t get_count(base::ByteReader& in, std::size_t element_bytes_min);
// An enumerator in [1, last].
template <typename Enum>
Enum get_enum(base::ByteReader& in, Enum last) {
  const std::uint8_t value = in.u8();
  if (value == 0 || value > static_cast<std::uint8_t>(last)) in.fail();
  return static_cast<Enum>(value);
}

// The fact, if the whole payload was read and nothing in it was wrong.
template <typename Fact>
base::Result<Fact> finish(const base::ByteReader& in, Fact fact, std::string_view name) {
  if (in.at_end()) return fact;
  return base::corruption("malformed payload of a record of type " + std::string(name));
}

}  // namespace sluice::storage
