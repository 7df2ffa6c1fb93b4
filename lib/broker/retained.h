#pragma once

#include <cstdint>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/byte_ledger.h"
#include "broker/time_line.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// What a stream of a queue with `retention` keeps for replay although its subscriptions may have
// settled it: everything but what was dropped. Part of the state: facts change it, snapshots hold
// it. Owned by its Stream.
class Retained {
 public:
  // Keeps what is not in `dropped`, with the sizes that `sizes` says. REQUIRES: `sizes` counts
  // exactly the messages that are not in `dropped`, which holds 0.
  Retained(storage::SequenceSet dropped, ByteLedger sizes)
      : dropped_(std::move(dropped)), sizes_(std::move(sizes)) {}

  // New messages.
  void add(base::SequenceRange range, std::uint64_t body_bytes, bool uniform,
           base::WallTime accepted_at);
  // Sequences without a message, or messages that are not kept any longer.
  void skip(base::SequenceRange range) { dropped_.insert(range); }
  void drop(base::SequenceRange range);

  const storage::SequenceSet& dropped() const { return dropped_; }
  const ByteLedger& sizes() const { return sizes_; }
  const TimeLine& times() const { return times_; }

  // For snapshots.
  void restore(storage::SequenceSet dropped, ByteLedger sizes, TimeLine times);

 private:
  storage::SequenceSet dropped_;
  ByteLedger sizes_;
  TimeLine times_;
};

}  // namespace sluice::broker
