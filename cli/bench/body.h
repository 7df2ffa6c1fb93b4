#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"

namespace sluice::cli::bench {

// What each body begins with: who sent it and as which of its messages, and, in a sample of them,
// when. The rest is filling.
struct BodyStamp {
  std::uint16_t producer = 0;
  std::uint64_t index = 0;
  base::MonoTime sent;  // 0 = not of the sample
};

inline constexpr std::size_t kBodyBytesMin = 16;
inline constexpr std::uint64_t kIndexBits = 48;

// REQUIRES: kBodyBytesMin at `body`.
inline void store_stamp(std::byte* body, const BodyStamp& stamp) {
  base::store(body, std::uint64_t{stamp.producer} << kIndexBits | stamp.index);
  base::store(body + 8, stamp.sent.value());
}
inline BodyStamp load_stamp(const std::byte* body) {
  const auto word = base::load<std::uint64_t>(body);
  return {static_cast<std::uint16_t>(word >> kIndexBits),
          word & ((std::uint64_t{1} << kIndexBits) - 1),
          base::MonoTime(base::load<std::int64_t>(body + 8))};
}

}  // namespace sluice::cli::bench
