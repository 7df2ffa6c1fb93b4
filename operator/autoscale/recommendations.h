#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.h"

namespace sluice::autoscale {

// What was asked for within a window of time, as far as its maximum needs it: falling values, each
// with the moment until which it was asked for. So it never has more entries than replicas may be
// asked for. Plain value; no thread of its own.
class Recommendations {
 public:
  // REQUIRES: `now` is no earlier than in the call before.
  void add(std::uint32_t replicas, base::MonoTime now);
  // Forgets what ended before `window`.
  void prune(base::Millis window, base::MonoTime now);

  // The most that was asked for at any moment of the window; absent while that is not known for
  // the whole of it, because nobody has watched for so long.
  std::optional<std::uint32_t> max_within(base::Millis window, base::MonoTime now) const;
  // When that next changes if the same goes on being asked for; absent = it does not.
  std::optional<base::Millis> changes_in(base::Millis window, base::MonoTime now) const;

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint32_t replicas = 0;
    std::optional<base::MonoTime> until;  // absent: it is asked for now
  };

  std::deque<Entry> entries_;
  base::MonoTime known_since_;
};

}  // namespace sluice::autoscale
