#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "bench/load/load.h"

namespace sluice::bench {

struct LimitOptions {
  // Its window counts frames: those that are not on disk yet, and again those not settled yet.
  Load load{.messages = 10'000'000, .size_bytes = 128, .window = 32};
  std::uint32_t frame_bytes = 256 * 1024;
  bool fsync = true;
  std::string folder = ".";

  std::uint64_t messages_per_frame() const {
    return frame_bytes > load.size_bytes ? frame_bytes / load.size_bytes : 1;
  }
};

// In memory that the three processes share.
struct Times {
  std::atomic<std::int64_t> first_sent_ns = 0;
  std::atomic<std::int64_t> last_durable_ns = 0;
  std::atomic<std::int64_t> last_settled_ns = 0;
};

}  // namespace sluice::bench
