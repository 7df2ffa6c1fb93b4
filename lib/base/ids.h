#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strong_type.h"

namespace sluice::base {

// 128 random bits that name a thing for ever; shown as 32 lower-case hexadecimal digits.
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};

  friend constexpr auto operator<=>(const Id128&, const Id128&) = default;
  bool is_zero() const { return *this == Id128{}; }
  std::string to_hex() const;
  static Result<Id128> from_hex(std::string_view hex);
};

// The same 128 bits, but a queue's cannot be passed where a session's is meant.
template <typename Tag>
struct TaggedId : Id128 {
  TaggedId() = default;
  explicit TaggedId(const Id128& id) : Id128(id) {}
  friend auto operator<=>(const TaggedId&, const TaggedId&) = default;
};

using QueueId = TaggedId<struct QueueIdTag>;
using SessionId = TaggedId<struct SessionIdTag>;
using ProducerId = TaggedId<struct ProducerIdTag>;
using TaskId = TaggedId<struct TaskIdTag>;

// Position of a message in its shard. The first message of a shard has sequence 1.
using Sequence = StrongInt<std::uint64_t, struct SequenceTag>;
// Byte position in the log; never reused.
using Lsn = StrongInt<std::uint64_t, struct LsnTag>;
// 0 .. shards - 1.
using ShardIndex = StrongInt<std::uint16_t, struct ShardIndexTag>;
// Number of a subscription inside its queue; never reused for another name.
using SubscriptionId = StrongInt<std::uint16_t, struct SubscriptionIdTag>;
// Incarnation in the upper 32 bits, delivery batch in the lower: proves a lease.
using Epoch = StrongInt<std::uint64_t, struct EpochTag>;

// Both ends belong to the range.
struct SequenceRange {
  Sequence first;
  Sequence last;

  std::uint64_t count() const { return last - first + 1; }
  bool contains(Sequence sequence) const { return first <= sequence && sequence <= last; }
  friend auto operator<=>(const SequenceRange&, const SequenceRange&) = default;
};

}  // namespace sluice::base

template <>
struct std::hash<sluice::base::Id128> {
  std::size_t operator()(const sluice::base::Id128& id) const noexcept {
    std::uint64_t halves[2];  // random bits already: no mixing needed
    std::memcpy(halves, id.bytes.data(), sizeof halves);
    return halves[0] ^ halves[1];
  }
};
template <typename Tag>
struct std::hash<sluice::base::TaggedId<Tag>> : std::hash<sluice::base::Id128> {};
