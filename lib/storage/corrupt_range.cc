#include "storage/corrupt_range.h"

#include <algorithm>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"

namespace sluice::storage {

using base::Lsn;

std::string damage_reason(const ScanItem& item) {
  std::string reason = "no valid record";
  if (item.kind == ScanItem::Kind::kRecord) {
    reason = to_string(item.header.type) + " record with " +
             std::to_string(item.bad_blocks.size()) + " bad of " +
             std::to_string(item.header.blocks()) + " blocks";
  }
  return item.unreadable ? reason + " (cannot be read)" : reason;
}

std::optional<CorruptRange> corrupt_range_at(SegmentLog& log, Lsn begin) {
  const auto place = log.segments().place(begin);
  if (!place) return std::nullopt;
  // What a forged record names may be anything.
  const bool may_begin =
      place->offset >= kSegmentDataOffset && place->offset % kRecordAlignment == 0;
  if (!may_begin) return std::nullopt;
  const std::uint64_t number = place->extent.number;
  SegmentScanner scanner(*place->file, place->extent, begin);
  const std::optional<ScanItem> item = scanner.next();
  if (!item || item->good()) return std::nullopt;
  // Behind what was written there are zeros, or an earlier life's records.
  const Lsn end = is_extent(number) ? item->end : std::min(item->end, log.positions().written);
  return CorruptRange{begin, end, data_file_name(number), damage_reason(*item)};
}

}  // namespace sluice::storage
