#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/dead_letters.h"
#include "broker/dead_order.h"
#include "broker/holdings.h"
#include "broker/retry_book.h"
#include "broker/sequence_runs.h"
#include "broker/side_books.h"
#include "storage/fact.h"
#include "storage/message_store.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

class Stream;

// One subscription's state over one stream. Every sequence below the stream's next is exactly one
// of: gone (settled, removed, or dead), held (leased), delayed (deliver-at), waiting (backoff),
// damaged (cannot be read), ready as a suspect, or ready. Only `gone` and the exceptions are
// written down; ready is what is left over, so a waiting message costs nothing by itself.
//
// Messages are delivered by sequence: lowest ready one first. What returns (released, due again)
// therefore goes before what was never delivered.
//
// Knows no session and no clock. Owned by its Stream; loop thread only.
class Subscription {
 public:
  // `number` is unique in the process and rises; it breaks ties.
  Subscription(Stream& stream, base::SubscriptionId id, std::uint64_t number,
               const SideBooks& side);
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  base::SubscriptionId id() const { return id_; }
  std::uint64_t number() const { return number_; }
  Stream& stream() const { return stream_; }
  storage::SubscriptionKey key() const;

  // --- What facts do. None of them touches leases: LeaseBook::leave() comes first.

  // New messages are not due yet; the stream knows until when. REQUIRES: ready.
  void delay(base::SequenceRange range);
  // Leased. Returns whether a message of them has a stall. REQUIRES: nobody holds any of them;
  // ascending, not empty, all dead letters or none.
  bool hold(base::Epoch epoch, const Ranges& ranges);
  // No longer leased; calls fn(epoch, parts) for what was. The next call says what becomes of the
  // messages. REQUIRES: ascending.
  template <typename Fn>
  void let_go(const Ranges& ranges, Fn&& fn);
  // Settled or removed: never delivered again. Not for dead letters. REQUIRES: ascending.
  void remove(const Ranges& ranges);
  void remove(base::SequenceRange range) { remove(Ranges{range}); }
  // Ready again at once; counters stay. Dead letters: there again, in their places.
  void release(base::SequenceRange range);
  // Not before state.due.
  void retry(base::Sequence sequence, const MessageState& state);
  // Its dead letter is there; remove() of the message comes next. It may keep the deliver-at that
  // nobody has waited for yet. REQUIRES: not gone.
  void bury(base::Sequence sequence, const DeadLetter& letter, bool keeps_deliver_at);
  // A dead letter that nobody will look at again. REQUIRES: dead, and not leased.
  void discard(base::Sequence sequence);
  // A dead letter is a message again, with fresh counters, and no longer expires. It waits for the
  // deliver-at that it has kept, if that is not `due`. REQUIRES: dead.
  void revive(base::Sequence sequence, bool expires, bool due);

  // Cannot be read, and stays so until a command discards it: nobody waits for it. REQUIRES: not
  // gone, not held.
  void quarantine(base::SequenceRange range);
  // Readable after all: ready. REQUIRES: in quarantine.
  void end_quarantine(base::SequenceRange range);

  // Ready again, with fresh counters. REQUIRES: gone, and none of it dead.
  void rewind(base::SequenceRange range);

  // --- What time and storage do; nothing of it is in the log.

  // The backoff is over.
  void wake(base::Sequence sequence);
  // The deliver-at of those of `range` that are delayed is over.
  void wake_delayed(base::SequenceRange range);
  // Could not be read this time, or may not be written down: passed over until the next start.
  void pass_over(base::SequenceRange range);
  RetryBook& retries() { return retries_; }

  // --- Queries.

  // The lowest stretch of ready messages at or after `from`; nullopt = none. Suspects are not in
  // it.
  std::optional<base::SequenceRange> next_ready(base::Sequence from) const;
  // The same, up to `runs_max` stretches inside `within`, appended to `out`.
  void list_ready(base::SequenceRange within, std::size_t runs_max, Ranges& out) const;
  std::optional<base::Sequence> lowest_suspect() const;
  bool has_ready() const { return ready() > 0; }

  std::uint64_t ready() const;
  std::uint64_t in_flight() const { return in_flight_; }
  std::uint64_t dead_in_flight() const { return dead_.leased().count(); }
  // By a deliver-at or a backoff.
  std::uint64_t delayed() const;
  // In quarantine or passed over.
  std::uint64_t damaged() const { return damaged_.count() + passed_.count(); }
  // True when nothing waits, is in flight or is dead here.
  bool drained() const;
  // True when it may have entries of its own in the side index.
  bool uses_index() const { return !retries_.empty() || dead_.count() > 0; }
  // The lowest message that is ready or in flight.
  std::optional<base::Sequence> oldest() const;

  const storage::SequenceSet& gone() const { return gone_; }
  const storage::SequenceSet& unexpiring() const { return unexpiring_; }
  const DeadLetters& dead() const { return dead_; }
  const RetryBook& retries() const { return retries_; }
  // Have a deliver-at that nobody has waited for yet, dead letters too; the times are the stream's.
  const storage::SequenceSet& delays() const { return delays_; }
  // What is leased, dead letters too.
  const storage::SequenceSet& held() const { return held_.messages(); }
  // The same, by delivery batch.
  const Holdings& holdings() const { return held_; }
  // `ranges` without the dead letters among them.
  Ranges without_dead(Ranges ranges) const;
  // The parts of `range` that are not gone, not held and not in quarantine, ascending.
  Ranges idle_in(base::SequenceRange range) const;
  Ranges idle_in(const Ranges& ranges) const;
  // True when messages of the range may have entries of their own in the side index, so that each
  // of them costs something.
  bool has_entries_in(base::SequenceRange range) const;
  // The dead letters of `range` that are not leased.
  Ranges idle_dead_in(base::SequenceRange range) const;

  const storage::SequenceSet& quarantined() const { return damaged_; }
  Ranges quarantined_in(base::SequenceRange range) const;
  // What is held or in quarantine at or after `from`, first run first; nullopt = nothing.
  std::optional<base::SequenceRange> next_kept(base::Sequence from) const;
  // What is held at or after `from`, first run first; nullopt = nothing.
  std::optional<base::SequenceRange> next_held(base::Sequence from) const;

  // --- For snapshots and new subscriptions.

  // Takes over what is known of a subscription that has delivered nothing yet.
  void begin(storage::SequenceSet gone);
  void restore(storage::SequenceSet gone, storage::SequenceSet unexpiring);
  void restore_state(base::Sequence sequence, const MessageState& state);
  void restore_dead(base::Sequence sequence, const DeadLetter& letter);
  // What the side index holds. REQUIRES: restore() came first.
  void restore_delays(storage::SequenceSet delays);
  void restore_retries(storage::SequenceSet known, storage::SequenceSet waiting,
                       storage::SequenceSet stalled);
  void restore_dead(storage::SequenceSet dead, std::uint64_t bytes);
  // REQUIRES: none of it gone or held.
  void restore_quarantine(storage::SequenceSet damaged);
  // Everything that is kept in memory only for speed is in the side index afterwards.
  void flush() const;

  // --- Of this process only; the delivery's and Core's.

  std::deque<AttachmentHandle> ring;       // who has credit, next one first
  std::deque<AttachmentHandle> dead_ring;  // the same, of those that consume the dead letters
  DeadOrder dead_order;
  std::optional<storage::BatchLocation> near;  // the batch that was read last
  std::uint64_t near_moves = 0;                // MessageStore::moves() by then
  base::Lsn last_record_end;                   // of the latest record about this subscription
  std::uint32_t attachments = 0;               // whoever is attached
  bool touched = false;                        // stands in Core's list
  bool held_back = false;                      // not served: the dead letters have no room
  bool seeking = false;                        // not served: Core::seeks
  // The oldest message that statistics asked for, and when it was accepted.
  std::optional<std::pair<base::Sequence, base::WallTime>> oldest_known;

 private:
  void make_ready(base::SequenceRange range);
  void end_delay(base::SequenceRange range);
  void forget_exceptions(base::SequenceRange range);

  Stream& stream_;
  const base::SubscriptionId id_;
  const std::uint64_t number_;

  storage::SequenceSet gone_;        // with 0, so that its floor rises
  storage::SequenceSet unexpiring_;  // redriven
  storage::SequenceSet delays_;
  RetryBook retries_;
  DeadLetters dead_;
  Holdings held_;
  storage::SequenceSet damaged_;  // in quarantine

  // Derived from the above.
  storage::SequenceSet taken_;     // everything that is not ready, and the suspects
  storage::SequenceSet suspects_;  // ready, with a stall: delivered one at a time
  storage::SequenceSet passed_;    // not in the log
  std::uint64_t in_flight_ = 0;
};

template <typename Fn>
void Subscription::let_go(const Ranges& ranges, Fn&& fn) {
  held_.take(ranges, [&](base::Epoch epoch, const Ranges& parts) {
    if (dead_.is_leased(parts.front().first)) {
      for (const base::SequenceRange& part : parts) dead_.end_lease(part);
    } else {
      in_flight_ -= count_messages(parts);
    }
    fn(epoch, parts);
  });
}

}  // namespace sluice::broker
