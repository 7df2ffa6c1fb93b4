#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/byte_ledger.h"
#include "broker/retained.h"
#include "broker/subscription.h"
#include "broker/timed_runs.h"
#include "storage/fact.h"
#include "storage/message_store.h"

namespace sluice::broker {

class Queue;

// One ordered message sequence (a shard of a queue) and what its subscriptions make of it. Owned by
// its Queue; loop thread only.
class Stream {
 public:
  // `number` is unique in the process and rises; it breaks ties.
  Stream(Queue& queue, const storage::StreamId& id, std::uint64_t number, const SideBooks& side)
      : queue_(queue),
        id_(id),
        number_(number),
        side_(side),
        expiry_(side.index, id, SideTag::kExpiry, SideTag::kExpiryByTime),
        delays_(side.index, id, SideTag::kDelays, SideTag::kDelaysByTime) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Queue& queue() const { return queue_; }
  const storage::StreamId& id() const { return id_; }
  std::uint64_t number() const { return number_; }
  // The sequence that the next message gets.
  base::Sequence next() const { return next_; }

  // New messages: every subscription has them ready. REQUIRES: first is next().
  void extend(base::SequenceRange range, std::uint64_t body_bytes, bool uniform,
              base::WallTime accepted_at);
  // Sequences up to `last` exist although their record was never seen: it is damaged.
  void expect(base::Sequence last);
  // These may not be readable: their record is damaged. Until somebody looks; not in snapshots.
  void doubt(base::SequenceRange range) { doubtful_.push_back(range); }
  Ranges take_doubtful() { return std::exchange(doubtful_, {}); }
  // Skips `count` sequences that never had a message.
  void jump(std::uint64_t count);
  void expire(base::SequenceRange range, base::WallTime at) { expiry_.add(range, at); }
  // New messages that every subscription has to wait for. REQUIRES: ready everywhere.
  void delay(base::SequenceRange range, base::WallTime due);
  // Some subscription no longer waits for these: forgotten where no other one does.
  void end_delay(base::SequenceRange range);

  // The messages are gone from `subscription` for good or dead there; leases were left before.
  void remove(Subscription& subscription, base::SequenceRange range) {
    remove(subscription, Ranges{range});
  }
  // REQUIRES: ascending.
  void remove(Subscription& subscription, const Ranges& ranges);
  // As remove() of one message; fills in letter.bytes. The letter may keep its deliver-at.
  // REQUIRES: not gone from `subscription`.
  void bury(Subscription& subscription, base::Sequence sequence, DeadLetter letter,
            bool keeps_deliver_at);
  // A deliver-at that the letter has kept holds again. REQUIRES: dead in `subscription`.
  void revive(Subscription& subscription, base::Sequence sequence);

  // What of the range is settled in `subscription` is ready again, as far as another subscription
  // still has it, or `retention` keeps it. A deliver-at holds again, as long as another
  // subscription waits for it too.
  void rewind(Subscription& subscription, base::SequenceRange range);
  // The parts of the range that rewind() would bring back.
  Ranges rewindable(const Subscription& subscription, base::SequenceRange range) const;

  // Keeps messages that everybody has settled, from now on, or no longer (Queue's `retention`).
  void set_retaining(bool on);
  // They are not kept any longer; whoever had them to settle has not. REQUIRES: not leased.
  void drop(base::SequenceRange range);
  // nullptr where nothing is kept beyond its last settle.
  const Retained* retained() const { return retained_ ? &*retained_ : nullptr; }
  Retained* retained() { return retained_ ? &*retained_ : nullptr; }

  // A subscription with everything from `begin` on that the stream still has.
  Subscription& add_subscription(base::SubscriptionId id, std::uint64_t number,
                                 base::Sequence begin);
  // For snapshots: no messages are given to it.
  Subscription& restore_subscription(base::SubscriptionId id, std::uint64_t number);
  void remove_subscription(base::SubscriptionId id);
  // nullptr = none of that id.
  Subscription* find(base::SubscriptionId id) const;
  // In the order of their ids.
  const std::vector<std::unique_ptr<Subscription>>& subscriptions() const { return subscriptions_; }

  // The lowest stretch at or after `from` that some subscription has not left behind, none holds,
  // and every one could read.
  std::optional<base::SequenceRange> next_idle(base::Sequence from) const;

  // How many messages of the range some subscription has not left behind.
  std::uint64_t wanted_in(base::SequenceRange range) const;
  // How many messages of a run that lives have bodies of a known size, and the bytes of these.
  std::pair<std::uint64_t, std::uint64_t> sizes_of(base::SequenceRange run) const {
    return (retained_ ? retained_->sizes() : ledger_).sum_of(run);
  }
  // True while any message of the range is waiting, leased or dead somewhere, or kept for replay.
  bool any_live(base::SequenceRange range) const { return next_live(range).has_value(); }
  // The first run of such messages inside `within`; another may follow it at once.
  std::optional<base::SequenceRange> next_live(base::SequenceRange within) const;

  const ByteLedger& ledger() const { return ledger_; }
  const TimedRuns& expiry() const { return expiry_; }
  TimedRuns& expiry() { return expiry_; }
  // Of deliver-at. Which subscriptions wait for which of them, or have dead letters that will,
  // those know.
  const TimedRuns& delays() const { return delays_; }
  TimedRuns& delays() { return delays_; }
  void restore(base::Sequence next) { next_ = next; }
  // A subscription's delay in an old snapshot.
  void restore_delay(Subscription& subscription, base::SequenceRange range, base::WallTime due);
  ByteLedger& ledger() { return ledger_; }

  base::Lsn last_record_end;  // of the latest record about the stream; not in snapshots
  // The batch of the oldest message, when somebody asked for it last; not in snapshots.
  std::optional<storage::BatchLocation> near_oldest;
  // What retention has to drop is leased: it looks again then; not in snapshots.
  base::WallTime retention_rests_until;

 private:
  template <typename Fn>
  void for_each_gone_elsewhere(const Subscription* but, base::SequenceRange range,
                               std::size_t index, Fn&& fn) const;
  storage::SequenceSet unavailable() const;
  void count_again(const Subscription& subscription, base::SequenceRange range);

  Queue& queue_;
  const storage::StreamId id_;
  const std::uint64_t number_;
  base::Sequence next_{1};
  Ranges doubtful_;
  ByteLedger ledger_;
  std::optional<Retained> retained_;
  const SideBooks side_;
  TimedRuns expiry_;
  TimedRuns delays_;
  std::vector<std::unique_ptr<Subscription>> subscriptions_;
};

}  // namespace sluice::broker
