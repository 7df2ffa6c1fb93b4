#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "storage/segment_log.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

// Bytes that were durable once and are not what they were.
struct CorruptRange {
  base::Lsn begin;
  base::Lsn end;
  std::string file;    // name in segments/
  std::string reason;  // for a person
};

// Why such a step of a scan is not good. REQUIRES: neither good nor padding.
std::string damage_reason(const ScanItem& item);

// The record that begins at `begin`, or began there. Reads its file; nullopt where nothing is wrong
// with it, the file is gone, or no record can begin there. Loop thread.
std::optional<CorruptRange> corrupt_range_at(SegmentLog& log, base::Lsn begin);

}  // namespace sluice::storage
