#include "storage/log_end.h"

#include <algorithm>

#include "base/buggify.h"
#include "base/cover.h"

namespace sluice::storage {

using base::Lsn;

LogEnd decide_log_end(const std::vector<BadRange>& bad, Lsn proven, Lsn last_good_end) {
  LogEnd log;
  log.end = std::max(last_good_end, proven);
  for (const BadRange& range : bad) {
    // No log was ever durable up to the midst of a record.
    if (range.end <= proven || (range.is_record && range.begin < proven)) {
      COVER("corruption below the proven mark");
      log.corrupt.push_back({range.begin, range.end, range.file, range.reason});
      if (PLANTED("truncate_mid_corruption")) log.end = std::min(log.end, range.begin);
      continue;
    }
    if (range.unreadable) {
      log.unreadable = range;
      log.end = std::min(log.end, std::max(range.begin, proven));
      return log;
    }
    if (range.begin >= log.end) continue;
    if (range.begin < proven) {
      log.corrupt.push_back({range.begin, proven, range.file, range.reason});
    }
    log.end = std::min(log.end, std::max(range.begin, proven));
  }
  return log;
}

}  // namespace sluice::storage
