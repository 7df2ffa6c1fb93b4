#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/dead_letters.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// Which dead letter is handed to a consumer next: in the order of death. Of this process only; a
// new one begins at the front. Which letters are leased DeadLetters knows.
//
// Letters that failed rest for a while. Their due times are kept for two groups, not each: those of
// the first group come back together, and those that failed meanwhile a backoff after the last one
// of them. So a letter rests at least its backoff, and any number of them costs a few kilobytes.
class DeadOrder {
 public:
  // The next one that is neither leased nor resting nor unreadable, without taking it. Looks at no
  // more than `looks` letters, which it counts down; nullopt = none, or no looks left.
  std::optional<DeadLetters::Oldest> next(const DeadLetters& dead, std::uint64_t& looks);
  // It was leased, or cannot be read: the next call goes on behind it.
  void pass(const DeadLetters::Oldest& letter);
  void pass_over(base::Sequence sequence) { unreadable_.insert(sequence); }

  // It is not for this consumer: calls go on behind it, until look_again().
  void skip(const DeadLetters::Oldest& letter);
  void look_again();

  // These letters are there again, in their places.
  void give_back(const DeadLetters& dead, base::SequenceRange range);
  // The same, but not before `due`.
  void rest(base::SequenceRange range, base::MonoTime due);
  // Those whose time has come. True when there were some.
  bool wake(base::MonoTime now);
  std::optional<base::MonoTime> earliest() const;

  // True when next() may have more although it ran out of looks.
  bool is_unfinished(const DeadLetters& dead) const {
    return !at_end_ && dead.count() > dead.leased().count();
  }
  // New letters have died.
  void grow() { at_end_ = false; }

 private:
  using Place = std::pair<base::Lsn, base::Sequence>;

  Place place_;  // what lies before it was passed
  bool at_end_ = false;
  storage::SequenceSet resting_;
  storage::SequenceSet resting_next_;
  base::MonoTime due_;
  base::MonoTime due_next_;
  storage::SequenceSet unreadable_;
  storage::SequenceSet skipped_;
  Place first_skipped_;
};

}  // namespace sluice::broker
