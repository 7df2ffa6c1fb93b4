#include "storage/compaction_plan.h"

#include <algorithm>

namespace sluice::storage {

namespace {

constexpr std::uint64_t kGarbageShare = 4;  // one in so many bytes that live

bool sparser(const FileLoad& a, const FileLoad& b) {
  // a.live / a.bytes < b.live / b.bytes; sizes are far below 2^32, so nothing overflows.
  const std::uint64_t left = a.live_bytes * b.bytes;
  const std::uint64_t right = b.live_bytes * a.bytes;
  return left != right ? left < right : a.number < b.number;
}

}  // namespace

std::vector<std::uint64_t> choose_files(std::vector<FileLoad> files,
                                        const CompactionLimits& limits) {
  std::uint64_t bytes = 0;
  std::uint64_t live = 0;
  for (const FileLoad& file : files) {
    bytes += file.bytes;
    live += file.live_bytes;
  }
  std::vector<std::uint64_t> chosen;
  if (bytes - std::min(live, bytes) <= live / kGarbageShare + limits.slack_bytes) return chosen;
  std::sort(files.begin(), files.end(), sparser);
  std::uint64_t output = 0;
  for (const FileLoad& file : files) {
    const bool full = output + file.live_bytes > limits.output_bytes;
    if (full || file.live_bytes > file.bytes / 4 * 3 || chosen.size() == limits.files_max) break;
    output += file.live_bytes;
    chosen.push_back(file.number);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace sluice::storage
