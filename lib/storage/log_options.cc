#include "storage/log_options.h"

namespace sluice::storage {

base::Status validate(const LogOptions& options) {
  constexpr std::uint64_t kSegmentBytesMin = 2 * kBlockBytes;
  constexpr std::uint64_t kSegmentBytesMax = 1ULL << 32;  // a padding record must span it
  const std::uint64_t bytes = options.segment_bytes;
  if (bytes < kSegmentBytesMin || bytes > kSegmentBytesMax || bytes % kBlockBytes != 0) {
    return base::invalid_argument("segment_bytes must be a multiple of 4096 up to 4 GiB, not " +
                                  std::to_string(bytes));
  }
  if (options.snapshot_every_segments == 0) {
    return base::invalid_argument("snapshot_every_segments must be at least 1");
  }
  if (options.snapshot_every_changes == 0) {
    return base::invalid_argument("snapshot_every_changes must be at least 1");
  }
  if (options.open_files_max == 0) {
    return base::invalid_argument("open_files_max must be at least 1");
  }
  if (options.feature_level > options.feature_level_supported) {
    return base::invalid_argument("feature level " + std::to_string(options.feature_level) +
                                  " is above " + std::to_string(options.feature_level_supported) +
                                  ", the highest that this version of Sluice supports");
  }
  constexpr std::uint64_t kSideCacheBytesMin = 256 * 1024;
  constexpr std::uint64_t kSideCacheBytesMax = 15ULL << 20;  // with its tables at most 16 MiB
  if (options.side_cache_bytes < kSideCacheBytesMin ||
      options.side_cache_bytes > kSideCacheBytesMax) {
    return base::invalid_argument("side_cache_bytes must be 256 KiB to 15 MiB, not " +
                                  std::to_string(options.side_cache_bytes));
  }
  if (!options.random_id) return base::invalid_argument("random_id is missing");
  return {};
}

}  // namespace sluice::storage
