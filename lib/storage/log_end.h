#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "storage/corrupt_range.h"

namespace sluice::storage {

// A range of segments that does not verify, before it is known on which side of the proven mark it
// lies.
struct BadRange {
  base::Lsn begin;
  base::Lsn end;
  std::string file;    // name in segments/
  std::string reason;  // for a person
  bool unreadable = false;
  bool is_record = false;  // its header verifies, so that its end is known
};

// Where a log ends, and what is wrong before that. docs/log-format.md, "Recovery", steps 4 and 5.
struct LogEnd {
  base::Lsn end;
  std::vector<CorruptRange> corrupt;
  // Something that nothing proves durable cannot be read, so that nobody knows where the log ends.
  std::optional<BadRange> unreadable;
};

// What is bad below the proven mark is corruption; the first bad range at or above it is where the
// log ends. `bad` is ascending; `last_good_end` is behind the last record that verifies.
LogEnd decide_log_end(const std::vector<BadRange>& bad, base::Lsn proven, base::Lsn last_good_end);

}  // namespace sluice::storage
