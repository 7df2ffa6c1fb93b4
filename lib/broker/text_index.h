#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "broker/side_table.h"

namespace sluice::broker {

// Which records of the log hold an error text that somebody may still ask for, and for how many
// messages. The records used last are kept in memory, because a batch that fails has one text.
class TextIndex {
 public:
  TextIndex(storage::SideIndex& index, const storage::SubscriptionKey& owner, SideTag tag)
      : records_(index, owner, tag) {}

  // 0 is no record.
  void add(base::Lsn record);
  // REQUIRES: added before.
  void remove(base::Lsn record);
  // In [begin, end).
  bool any_in(base::Lsn begin, base::Lsn end) const;
  // Puts what is in memory into the index.
  void flush() const;

 private:
  struct Recent {
    base::Lsn record;  // 0 = none
    std::uint64_t messages = 0;
    bool changed = false;
  };

  Recent& recent(base::Lsn record);
  void write(Recent& entry) const;

  SideTable records_;
  mutable std::array<Recent, 2> recent_;
  std::size_t next_ = 0;  // of the two, to be replaced
};

}  // namespace sluice::broker
