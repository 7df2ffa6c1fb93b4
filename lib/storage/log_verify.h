#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/recovery.h"

namespace sluice::storage {

enum class SegmentState : std::uint8_t {
  kSealed,   // a later segment exists
  kOpen,     // the newest one
  kEmpty,    // nothing but zeros
  kDamaged,  // no valid header
  kGone,     // deleted while this ran
  kExtent,   // no segment: what compaction made of some
};
std::string_view to_string(SegmentState state);

struct SegmentVerdict {
  std::uint64_t number = 0;
  std::string file;
  SegmentState state = SegmentState::kSealed;
  std::uint64_t file_bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t payload_bytes = 0;
  base::Lsn first;  // of the first record, 0 = none
  base::Lsn last;   // of the last record
  base::Lsn end;    // behind it
};

struct SnapshotVerdict {
  std::string file;
  base::Lsn lsn;
  bool valid = false;
  bool clean = false;
  std::uint64_t broker_bytes = 0;
  std::string reason;  // where it is not valid
};

struct VerifyReport {
  base::Id128 log_id;
  std::uint64_t segment_bytes = 0;
  std::uint32_t feature_level = 0;
  std::vector<SegmentVerdict> segments;
  std::vector<SnapshotVerdict> snapshots;
  std::vector<CorruptRange> corrupt;
  std::vector<std::string> bad_pages;  // the first of the side index that a snapshot needs
  base::Lsn proven;                    // all before this was durable for sure
  base::Lsn end;                       // of what verifies without a gap above the proven mark
  std::uint64_t tail_bytes = 0;  // recognisable behind `end`: a broker at work, or a torn tail

  bool ok() const { return corrupt.empty() && bad_pages.empty(); }
};

// Reads the whole log, every block of it and every page of the side index, and changes nothing:
// safe beside a running broker, whose newest records may then appear as tail. FailedPrecondition
// where a newer version wrote the log, NotFound where there is none.
base::Result<VerifyReport> verify_log(runtime::FileSystem& fs, const std::string& folder);

}  // namespace sluice::storage
