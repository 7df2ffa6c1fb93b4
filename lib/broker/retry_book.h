#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/backoff_clock.h"
#include "broker/side_table.h"
#include "broker/text_index.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// What a subscription remembers of a message that failed or stalled; all others need nothing.
struct MessageState {
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::WallTime due;  // when it may be delivered again; 0 = no longer waiting for that
  base::WallTime first_failed;
  base::Lsn text;  // the record that holds the last error; 0 = none
};

// Counters and backoff of the messages of one subscription over one stream. They are in the side
// index, by sequence and by due time; in memory are only which messages it is about, and how far
// the order of due times was read. What is in the index depends on the log's facts alone: a
// backoff that is over stays there until the message is leased.
class RetryBook {
 public:
  // `clock` must outlive the book.
  RetryBook(storage::SideIndex& index, const storage::SubscriptionKey& owner, BackoffClock& clock);

  // nullopt = never failed and never stalled.
  std::optional<MessageState> find(base::Sequence sequence) const;
  // New counters; the message waits until `due`.
  void wait(base::Sequence sequence, const MessageState& state);
  // Delivered: no longer waiting, the counters stay.
  void leased(base::SequenceRange range);
  void forget(base::SequenceRange range);

  // No backoff is over before this; nullopt = none is left. REQUIRES: the clock runs.
  std::optional<base::MonoTime> earliest() const;
  // Appends messages whose backoff is over, at most `count_max`; each is found once. Returns how
  // many. REQUIRES: the clock runs.
  std::uint64_t pop_due(base::MonoTime now, std::uint64_t count_max,
                        std::vector<base::Sequence>& due);

  // The end of the stretch from `first`, at most to `last`, whose messages have equal counters.
  base::Sequence same_counters_until(base::Sequence first, base::Sequence last) const;
  // The first message at or after `from` with a stall; nullopt beyond `last`.
  std::optional<base::Sequence> next_stalled(base::Sequence from, base::Sequence last) const;

  // True when a record in [begin, end) has a text of one of them.
  bool has_text_in(base::Lsn begin, base::Lsn end) const {
    return !known_.empty() && texts_.any_in(begin, end);
  }
  bool empty() const { return known_.empty(); }

  bool any_in(base::SequenceRange range) const { return known_.contains_any(range); }

  // For snapshots.
  const storage::SequenceSet& known() const { return known_; }
  const storage::SequenceSet& waiting() const { return waiting_; }
  const storage::SequenceSet& stalled() const { return stalled_; }
  // The entries are in the index.
  void restore(storage::SequenceSet known, storage::SequenceSet waiting,
               storage::SequenceSet stalled);
  void flush() const { texts_.flush(); }

 private:
  struct Entry {
    MessageState state;
    BackoffClock::Generation generation = 0;
  };
  // How far one generation's due times were read.
  struct Order {
    base::WallTime due;  // everything before (due, sequence) was popped
    base::Sequence sequence;
    std::optional<base::WallTime> next;  // not before this; nullopt = nothing is left
  };

  std::optional<Entry> read(base::Sequence sequence) const;
  Order& order(BackoffClock::Generation generation);
  std::uint64_t pop_order(BackoffClock::Generation generation, Order& order, base::MonoTime now,
                          std::uint64_t count_max, std::vector<base::Sequence>& due);
  void disarm(base::Sequence sequence, const Entry& entry);

  SideTable by_due(BackoffClock::Generation generation) const {
    return {index_, SideKey(due_prefix_).u8(generation)};
  }

  storage::SideIndex& index_;
  BackoffClock& clock_;
  SideTable states_;
  SideKey due_prefix_;
  TextIndex texts_;
  storage::SequenceSet known_;
  storage::SequenceSet waiting_;  // have a due time
  storage::SequenceSet stalled_;  // have a stall
  std::map<BackoffClock::Generation, Order> orders_;
};

}  // namespace sluice::broker
