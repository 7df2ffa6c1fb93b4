#include "storage/corrupt_range.h"

#include "storage/fact_codec.h"

namespace sluice::storage {

std::string damage_reason(const ScanItem& item) {
  std::string reason = "no valid record";
  if (item.kind == ScanItem::Kind::kRecord) {
    reason = to_string(item.header.type) + " record with " +
             std::to_string(item.bad_blocks.size()) + " bad of " +
             std::to_string(item.header.blocks()) + " blocks";
  }
  return item.unreadable ? reason + " (cannot be read)" : reason;
}

}  // namespace sluice::storage
