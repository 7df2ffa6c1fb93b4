#pragma once

#include <cstdint>
#include <vector>

#include "storage/log.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

// Of a kMessages record of `count` messages that a scan found: those that good blocks hold as a
// whole, rising. Nothing behind a place where they are no batch. `item` was made with its blocks
// checked, and the result lives as long as its payload. Pure.
std::vector<ReadableEntries> readable_entries(const ScanItem& item, std::uint32_t count);

}  // namespace sluice::storage
