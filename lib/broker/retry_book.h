#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/text_index.h"

namespace sluice::broker {

// What a subscription remembers of a message that failed or stalled; all others need nothing.
struct MessageState {
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  bool fired = false;  // derived: the due time came, the message is ready
  base::WallTime due;  // when it may be delivered again; 0 = no longer waiting for that
  base::WallTime first_failed;
  base::Lsn text;        // the record that holds the last error; 0 = none
  base::MonoTime fires;  // derived: where the timer stands; 0 = not armed
};

// Counters and backoff of the messages of one subscription over one stream. The log holds the due
// time on the wall clock; the timer itself runs on the monotonic one, so that a step of the wall
// clock neither shortens nor stretches a backoff.
class RetryBook {
 public:
  // nullptr = never failed and never stalled. Valid until the next change.
  const MessageState* find(base::Sequence sequence) const;
  // New counters; the message waits until `due`. arm() starts its timer.
  void wait(base::Sequence sequence, const MessageState& state);
  // Delivered: no longer waiting, the counters stay.
  void leased(base::SequenceRange range);
  void forget(base::SequenceRange range);

  // Starts the timers of all that have none yet.
  void arm(base::Now now);
  std::optional<base::MonoTime> earliest() const;
  // One message whose timer ran out; each is returned once.
  std::optional<base::Sequence> pop_due(base::MonoTime now);

  // The end of the stretch from `first`, at most to `last`, whose messages have equal counters.
  base::Sequence same_counters_until(base::Sequence first, base::Sequence last) const;
  // The first message at or after `from` with a stall; nullopt beyond `last`.
  std::optional<base::Sequence> next_stalled(base::Sequence from, base::Sequence last) const;

  // True when a record in [begin, end) has a text of one of them.
  bool has_text_in(base::Lsn begin, base::Lsn end) const { return texts_.any_in(begin, end); }
  std::uint64_t waiting() const { return timers_.size(); }
  bool empty() const { return states_.empty(); }
  const std::map<base::Sequence, MessageState>& states() const { return states_; }

 private:
  void disarm(base::Sequence sequence, MessageState& state);

  std::map<base::Sequence, MessageState> states_;
  std::set<std::pair<base::MonoTime, base::Sequence>> timers_;
  std::vector<base::Sequence> unarmed_;
  TextIndex texts_;
};

}  // namespace sluice::broker
