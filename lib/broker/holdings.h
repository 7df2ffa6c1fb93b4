#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/ids.h"
#include "broker/sequence_runs.h"
#include "storage/sequence_set.h"

namespace sluice::broker {

// Which messages of a subscription are leased, and to which delivery batch: one set of all of them,
// and the stretches from the first to the last message of a batch. Stretches never overlap; a batch
// whose messages lie between another's has several. So a batch of thousands of messages that do not
// touch costs bits, not nodes. What is asked about one batch costs its own stretches, however many
// others lie between them.
class Holdings {
 public:
  // REQUIRES: ascending, not empty, and nobody holds any of it.
  void add(base::Epoch epoch, const Ranges& ranges);
  // Takes out what is held of `ranges` (ascending), and calls fn(epoch, parts) for each stretch
  // that held some, ascending.
  template <typename Fn>
  void take(const Ranges& ranges, Fn&& fn);

  // Appends what the batch holds of `range`, lowest first and at most `messages_max` messages.
  // Returns how many that are.
  std::uint64_t append_held(base::Epoch epoch, base::SequenceRange range,
                            std::uint64_t messages_max, Ranges& out) const;
  // True when the batch holds all of them; it may say no where that takes a closer look, which is
  // append_held(). REQUIRES: ascending, disjoint.
  bool surely_holds(base::Epoch epoch, std::span<const base::SequenceRange> ranges) const;

  bool empty() const { return stretches_.empty(); }
  const storage::SequenceSet& messages() const { return messages_; }

 private:
  struct Stretch {
    base::Sequence last;
    base::Epoch epoch;
    std::uint64_t messages = 0;
  };
  using Stretches = std::map<base::Sequence, Stretch>;

  // The first stretch that ends at or behind `sequence`.
  template <typename Map>
  static auto first_at(Map& stretches, base::Sequence sequence);
  void put(base::Sequence first, const Stretch& stretch);
  Stretches::iterator erase(Stretches::iterator at);
  void clear_of(base::SequenceRange range);
  Ranges held_in(base::SequenceRange whole, std::span<const base::SequenceRange> ranges) const;
  void append_messages(base::SequenceRange window, Ranges& parts) const;

  Stretches stretches_;  // by first message; the ends of some may no longer be held
  std::set<std::pair<base::Epoch, base::Sequence>> by_epoch_;  // their first messages
  storage::SequenceSet messages_;
};

template <typename Map>
auto Holdings::first_at(Map& stretches, base::Sequence sequence) {
  auto at = stretches.upper_bound(sequence);
  if (at != stretches.begin() && sequence <= std::prev(at)->second.last) --at;
  return at;
}

template <typename Fn>
void Holdings::take(const Ranges& ranges, Fn&& fn) {
  if (ranges.empty() || stretches_.empty()) return;
  std::size_t next = 0;
  for (auto at = first_at(stretches_, ranges.front().first); at != stretches_.end();) {
    const base::SequenceRange whole{at->first, at->second.last};
    while (next < ranges.size() && ranges[next].last < whole.first) ++next;
    if (next == ranges.size()) return;
    const Ranges parts =
        held_in(whole, {ranges.begin() + static_cast<std::ptrdiff_t>(next), ranges.end()});
    const base::Epoch epoch = at->second.epoch;
    at->second.messages -= count_messages(parts);
    at = at->second.messages == 0 ? erase(at) : std::next(at);
    if (parts.empty()) continue;
    messages_.erase(parts);
    fn(epoch, parts);
  }
}

}  // namespace sluice::broker
