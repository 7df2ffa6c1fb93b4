#pragma once

#include <cstddef>
#include <deque>

#include "base/ids.h"
#include "base/time.h"

namespace sluice::broker {

// When the messages of a stream were accepted, to about the 512th part of the time between the
// oldest and the newest, in at most kMarksMax marks however many messages there are. Times never
// fall: where the wall clock went back, the later time holds. The content depends on the calls
// alone, so that a replay of the same facts gives the same marks.
class TimeLine {
 public:
  static constexpr std::size_t kMarksMax = 2048;
  // Everything before `end` was accepted at `at` or earlier.
  struct Mark {
    base::Sequence end;
    base::WallTime at;
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  // Messages from `first` on came in, behind everything known.
  void add(base::Sequence first, base::WallTime accepted_at);
  // Messages before `first` are of no interest any more.
  void forget(base::Sequence first);

  // Everything before the returned sequence was accepted at `time` or earlier; `next` is the
  // stream's next sequence. The first of all where nothing is known to be so old.
  base::Sequence end_of(base::WallTime time, base::Sequence next) const;
  // When the message was accepted, or a little later; 0 = not known.
  base::WallTime at(base::Sequence sequence) const { return passed_at(sequence); }
  // From when on end_of() is behind `from`; 0 = nothing is known of what came from there on.
  base::WallTime passed_at(base::Sequence from) const;

  // For snapshots. REQUIRES of restore(): marks and times ascending, `newest` last.
  const std::deque<Mark>& marks() const { return marks_; }
  base::WallTime newest() const { return newest_; }
  void restore(std::deque<Mark> marks, base::WallTime newest);

 private:
  std::deque<Mark> marks_;
  base::WallTime newest_;  // of all messages; 0 = there was none
};

}  // namespace sluice::broker
