#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/backup.h"
#include "storage/log_verify.h"
#include "storage/message_index.h"

namespace sluice::storage {

// What `sluice log salvage` made of a folder.
struct SalvageReport {
  // Messages that no record of the copy has, or only a damaged one.
  struct Lost {
    std::string queue;  // name; its id where no record tells the name
    StreamId stream;
    base::SequenceRange range;
    bool partly = false;  // in a damaged batch, or there are extents: some of them can be read
  };
  base::Lsn snapshot;  // the state that the new folder begins from; 0 = its first record
  base::Lsn end;
  std::uint64_t bytes = 0;             // copied
  std::uint64_t unreadable_bytes = 0;  // the disk gave errors for them
  std::vector<std::string> bad_snapshots;
  std::vector<std::string> missing;  // segments that had to be there, made anew without records
  std::vector<std::string> headers;  // segments whose header was made anew
  std::vector<CorruptRange> corrupt;
  std::vector<Lost> lost;
};

// Copies what can be read of a log into `to`, which must be missing or empty, such that a broker
// starts on it: as a restored backup, whose end is the last record that verifies. `from` is only
// read; no broker may be at work on it. FailedPrecondition where a newer version wrote the log;
// NotFound where nothing of a log can be read; then and on any other error `to` is INCOMPLETE.
base::Result<SalvageReport> salvage_log(runtime::FileSystem& fs, const std::string& from,
                                        const std::string& to, const CopyProgress& progress);

}  // namespace sluice::storage
