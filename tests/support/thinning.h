#pragma once

#include <cstdint>

namespace sluice::test {

// A test that draws a case many times, or goes through all of them, takes every kThinning-th under
// a sanitizer, where each costs several times as much. Without one it takes all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t kThinning = 10;
#else
inline constexpr std::uint64_t kThinning = 1;
#endif

}  // namespace sluice::test
