#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"

namespace sluice::storage {

// What lies in a log's folder. A folder that does not exist holds nothing.
struct LogFiles {
  std::vector<std::uint64_t> segments;  // rising
  std::vector<std::uint64_t> extents;   // rising
  std::vector<std::string> pool;        // names
  std::vector<std::string> reserve;     // names, of segments' size
  bool snapshot_reserve = false;        // the snapshot's is there
  std::vector<base::Lsn> snapshots;     // rising
  std::vector<std::string> leftovers;   // paths of unfinished work
};

base::Result<LogFiles> list_log_files(runtime::FileSystem& fs, const std::string& folder);

// The whole file; refused with ResourceExhausted above `bytes_max`.
base::Result<std::vector<std::byte>> read_file(runtime::FileSystem& fs, const std::string& path,
                                               std::uint64_t bytes_max);

}  // namespace sluice::storage
