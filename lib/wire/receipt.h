#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"

namespace sluice::wire {

inline constexpr std::uint32_t kReceiptsMax = 4096;     // in one SETTLE or EXTEND
inline constexpr std::uint32_t kReceiptWordsMax = 512;  // of them

// Messages first to last of one lease; or a word, for those that do not touch.
struct WireReceipt {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  // 0, or of a word: bit i says that first + i is one of them. Bit 0 is set, and the highest is
  // that of `last`.
  std::uint64_t bits = 0;
};
// With `first`, in the bytes of a word.
inline constexpr std::uint64_t kWordFlag = std::uint64_t{1} << 63;

// Rows of messages that touch.
inline std::size_t count_ranges(const WireReceipt& receipt) {
  if (receipt.bits == 0) return 1;
  return static_cast<std::size_t>(std::popcount(receipt.bits & ~(receipt.bits << 1)));
}

// Calls use(range) for each of these rows, ascending.
template <typename Use>
void for_each_range(const WireReceipt& receipt, const Use& use) {
  const base::Sequence first(receipt.first);
  if (receipt.bits == 0) return use(base::SequenceRange{first, base::Sequence(receipt.last)});
  for (std::uint64_t left = receipt.bits; left != 0;) {
    const auto begin = static_cast<std::uint64_t>(std::countr_zero(left));
    const auto count = static_cast<std::uint64_t>(std::countr_one(left >> begin));
    use(base::SequenceRange{first + begin, first + (begin + count - 1)});
    // Carries through the row, so that its bits and none above are 0.
    left &= left + (std::uint64_t{1} << begin);
  }
}

}  // namespace sluice::wire
