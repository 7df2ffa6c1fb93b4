#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/side_table.h"
#include "broker/text_index.h"
#include "storage/fact.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// A message that a subscription gave up on. Body and error text stay in the log.
struct DeadLetter {
  storage::DeadReason reason = storage::DeadReason::kRejected;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::WallTime first_failed;
  base::WallTime died_at;
  base::Lsn record;         // of the death: gives the order of deaths
  base::Lsn text;           // the record with the last error
  std::uint64_t bytes = 0;  // of the body, as ByteLedger knows it
};

// The dead letters of one subscription over one stream. They are in the side index; in memory are
// only which sequences they are, and the one that died first.
class DeadLetters {
 public:
  struct Oldest {
    base::Sequence sequence;
    DeadLetter letter;
  };

  DeadLetters(storage::SideIndex& index, const storage::SubscriptionKey& owner);

  // REQUIRES: not dead yet.
  void add(base::Sequence sequence, const DeadLetter& letter);
  // REQUIRES: dead.
  void erase(base::Sequence sequence);

  std::optional<DeadLetter> find(base::Sequence sequence) const;
  // The first one at or after `from`.
  std::optional<base::Sequence> next(base::Sequence from) const { return sequences_.next_in(from); }
  bool any_in(base::SequenceRange range) const { return sequences_.contains_any(range); }
  std::uint64_t count_in(base::SequenceRange range) const { return sequences_.count_in(range); }
  // The one that died first of those that nobody has leased; nullopt when there is none.
  const std::optional<Oldest>& oldest() const;

  // Somebody has them, or no longer. REQUIRES: all dead.
  void lease(base::SequenceRange range);
  void end_lease(base::SequenceRange range);
  const storage::SequenceSet& leased() const { return leased_; }
  bool is_leased(base::Sequence sequence) const {
    return !leased_.empty() && leased_.contains(sequence);
  }

  // Calls fn(sequence, letter) -> bool in the order of death, until it returns false. It must not
  // change anything.
  template <typename Fn>
  void for_each_oldest(Fn&& fn) const {
    for_each_from(base::Lsn(), base::Sequence(), std::forward<Fn>(fn));
  }
  // The same, of those that died in `record` with a sequence of at least `first`, or later.
  template <typename Fn>
  void for_each_from(base::Lsn record, base::Sequence first, Fn&& fn) const {
    if (sequences_.empty()) return;
    for (auto row = deaths_.at_or_after(record.value(), first.value()); row;
         row = deaths_.at_or_after(row->a, row->b + 1)) {
      const base::Sequence sequence(row->b);
      const std::optional<DeadLetter> letter = find(sequence);
      if (letter && !fn(sequence, *letter)) return;
    }
  }

  // True when a record in [begin, end) has a text of one of them.
  bool has_text_in(base::Lsn begin, base::Lsn end) const {
    return !sequences_.empty() && texts_.any_in(begin, end);
  }
  std::uint64_t count() const { return sequences_.count(); }
  std::uint64_t bytes() const { return bytes_; }

  // For snapshots.
  const storage::SequenceSet& sequences() const { return sequences_; }
  void restore(storage::SequenceSet sequences, std::uint64_t bytes);
  void flush() const { texts_.flush(); }

 private:
  SideTable letters_;
  SideTable deaths_;
  TextIndex texts_;
  storage::SequenceSet sequences_;
  storage::SequenceSet leased_;  // derived: the lease book knows who has them
  std::uint64_t bytes_ = 0;
  mutable std::optional<Oldest> oldest_;  // nullopt = not looked up
  // Of oldest(): none before this place is there and not leased, but for those that were returned.
  mutable std::pair<base::Lsn, base::Sequence> front_;
  mutable storage::SequenceSet returned_;
};

}  // namespace sluice::broker
