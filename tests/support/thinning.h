#pragma once

#include <cstdint>

namespace sluice::test {

// A test that draws a case many times draws a kThinning-th of them under a sanitizer, where each
// costs several times as much, and one that goes through all cases takes every kStride-th: of both
// parities, and in the end all bits of a mask. Without a sanitizer they take all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t kThinning = 10;
inline constexpr std::uint64_t kStride = 11;
#else
inline constexpr std::uint64_t kThinning = 1;
inline constexpr std::uint64_t kStride = 1;
#endif

}  // namespace sluice::test
