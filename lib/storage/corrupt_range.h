#pragma once

#include <string>

#include "base/ids.h"
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

}  // namespace sluice::storage
