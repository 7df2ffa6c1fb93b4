#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/corrupt_range.h"
#include "storage/log_files.h"
#include "storage/segment_header.h"
#include "storage/segment_scanner.h"
#include "storage/snapshot_store.h"

namespace sluice::storage {

struct RecoveryReport {
  base::Id128 log_id;
  bool created = false;         // there was no log
  bool unclean = false;         // the last broker did not stop in order
  bool restored = false;        // a backup that no broker had yet
  base::Lsn snapshot;           // replay begins here; 0 = without a snapshot, at the log's begin
  base::Lsn proven;             // all before this was durable for sure
  base::Lsn end;                // the log ends here
  std::uint64_t records = 0;    // from the snapshot to the end
  std::uint64_t cut_bytes = 0;  // of the unsynced tail, as far as recognisable
  std::uint64_t rewritten_bytes = 0;  // copied because they were not proven durable
  std::vector<CorruptRange> corrupt;
  std::vector<std::string> bad_snapshots;        // name and reason
  std::vector<MessageIndex::SegmentRange> lost;  // messages whose segment's file is missing
};

// A segment's file as found.
struct FoundSegment {
  SegmentExtent extent;
  std::optional<SegmentHeader> header;  // nullopt: both copies are damaged
  std::shared_ptr<runtime::File> file;  // only from the snapshot's segment on
};

// All that recovery decided, before anything is changed.
struct RecoveryPlan {
  RecoveryReport report;
  LogFiles files;
  LoadedSnapshots snapshots;  // the index without what is missing
  std::uint64_t segment_bytes = 0;
  std::uint32_t feature_level = kFeatureLevelFirst;
  std::vector<FoundSegment> segments;  // rising; those that the log is made of
  std::vector<SegmentExtent> extents;  // rising; those that hold messages
  std::set<std::uint64_t> dropped;     // by a record, or long ago: their files go
  std::vector<std::uint64_t> empty;    // last files that never became segments: removed
  std::vector<std::uint64_t> orphans;  // last files without any sense: set aside
  bool rewrite = false;                // the last segment, up to report.end
  bool mark = false;                   // and behind that how far the log is durable
};

// Looks at everything, changes nothing (docs/log-format.md, "Recovery"). Fails, with the folder as
// it was, where
//  - a newer version wrote the log (FailedPrecondition),
//  - it is a copy that was not finished (FailedPrecondition),
//  - snapshots or segments are missing that nothing can stand in for (FailedPrecondition),
//  - the tail cannot be read (the file system's error).
base::Result<RecoveryPlan> plan_recovery(
    runtime::FileSystem& fs, const std::string& folder,
    std::uint32_t feature_level_supported = kFeatureLevelSupported);

}  // namespace sluice::storage
