#pragma once

#include <cstdint>
#include <map>

#include "base/check.h"
#include "base/ids.h"

namespace sluice::broker {

// Which records of the log hold an error text that somebody may still ask for, and for how many
// messages.
class TextIndex {
 public:
  // 0 is no record.
  void add(base::Lsn record) {
    if (record != base::Lsn()) ++records_[record];
  }
  // REQUIRES: added before.
  void remove(base::Lsn record) {
    if (record == base::Lsn()) return;
    const auto found = records_.find(record);
    CHECK(found != records_.end());
    if (--found->second == 0) records_.erase(found);
  }
  // In [begin, end).
  bool any_in(base::Lsn begin, base::Lsn end) const {
    const auto found = records_.lower_bound(begin);
    return found != records_.end() && found->first < end;
  }

 private:
  std::map<base::Lsn, std::uint64_t> records_;
};

}  // namespace sluice::broker
