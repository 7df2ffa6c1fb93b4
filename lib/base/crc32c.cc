#include "base/crc32c.h"

#include <nmmintrin.h>

namespace sluice::base {

std::uint32_t crc32c(ByteView data, std::uint32_t crc) {
  std::uint64_t state = ~crc;
  const std::byte* at = data.data();
  std::size_t left = data.size();
  for (; left >= 8; left -= 8, at += 8) state = _mm_crc32_u64(state, load<std::uint64_t>(at));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, load<std::uint8_t>(at));
  return ~narrow;
}

}  // namespace sluice::base
