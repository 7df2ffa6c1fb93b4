#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "storage/log_format.h"

namespace sluice::storage {

struct LogOptions {
  // Of a new log; an existing one keeps its own. A multiple of 4,096; every record must fit, so
  // 512 KiB at least unless all records are known to be small (tests).
  std::uint64_t segment_bytes = 64ULL << 20;
  // Files kept for reuse; dead segments beyond are deleted. As many as a snapshot sets free at once
  // under load.
  std::uint32_t pool_files_max = 4;
  // Files of a segment's size that are kept for a full disk once the log has as many segments; a
  // smaller log needs fewer. Two more are kept for compaction. 0 = nothing at all is reserved.
  std::uint32_t reserve_segments_max = 4;
  std::uint32_t snapshot_every_segments = 4;
  // Or earlier, after so many changes of the side index: replay does each of them again, and they
  // cost more than the bytes of the log that they come from. From feature level 2 on.
  std::uint64_t snapshot_every_changes = 1'200'000;
  // Written records that stay readable in memory, besides those not yet written.
  std::uint64_t tail_bytes_max = 16ULL << 20;
  std::uint32_t open_files_max = 64;
  // Pages of the side index that are kept in memory, at most.
  std::uint64_t side_cache_bytes = 12ULL << 20;
  // Low space begins below max(5 %, 2 segments) of the disk, but never asks for more than this.
  std::uint64_t low_space_bytes_max = 1ULL << 30;
  // A new log's level; an existing log of a lower one is raised to it, a higher one refused. 0 = a
  // new log takes the highest that is supported, an existing one keeps its own.
  std::uint32_t feature_level = 0;
  // A log of a higher one is refused. Less than this version's own only where a test stands in for
  // an older version.
  std::uint32_t feature_level_supported = kFeatureLevelSupported;
  // For the lock file: pid, host and since when; shown to whoever finds the folder locked.
  std::string owner;
  // Draws 128 random bits: for the log's id and for every segment's. REQUIRED.
  std::function<base::Id128()> random_id;
};

// InvalidArgument, naming the option, where a value cannot work.
base::Status validate(const LogOptions& options);

}  // namespace sluice::storage
