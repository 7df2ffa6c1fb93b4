#pragma once

#include <cstdint>
#include <vector>

namespace sluice::storage {

// What is known of a segment or an extent.
struct FileLoad {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;       // on disk
  std::uint64_t live_bytes = 0;  // that compaction would copy
};

struct CompactionLimits {
  std::uint64_t slack_bytes = 0;   // garbage that is always tolerated
  std::uint64_t output_bytes = 0;  // that one extent may hold
  std::size_t files_max = 64;      // that one extent may replace
};

// The files to replace by one extent, rising; none where it is not worth it. Garbage beyond a
// quarter of what lives (and the slack) is worth it; files with the least alive go first, and none
// of which more than three quarters live. So a byte that is freed costs at most three copied, and
// usually much less. Pure.
std::vector<std::uint64_t> choose_files(std::vector<FileLoad> files,
                                        const CompactionLimits& limits);

}  // namespace sluice::storage
