#pragma once

#include <cstdio>
#include <cstdlib>

namespace sluice::base {

// Prints the failed expression and ends the process with SIGABRT. Safe from any thread.
[[noreturn]] inline void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace sluice::base

// For what only a bug can cause; always on. What a peer, a disk or an API server can cause is a
// Result, never a CHECK.
#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) [[unlikely]] {                                \
      ::sluice::base::check_failed(#condition, __FILE__, __LINE__); \
    }                                                               \
  } while (false)

// For validation that is too slow to leave on in a release build.
#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false)
#else
#define DCHECK(condition) CHECK(condition)
#endif
