#pragma once

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace sluice::bench {

// A load that went wrong has no result worth keeping: say why and end the process, with all its
// threads, so that no half of it waits for the other. Servers are stopped by whoever started them.
[[noreturn]] inline void fail(std::string_view what) {
  std::cerr << what << std::endl;
  std::_Exit(1);
}

inline void require(bool condition, std::string_view what) {
  if (!condition) fail(what);
}

}  // namespace sluice::bench
