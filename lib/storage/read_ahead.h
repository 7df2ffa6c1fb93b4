#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "runtime/file_system.h"
#include "storage/log_work.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// Brings stretches of old segments into the page cache on another thread, and those behind them
// before anybody asks, so that the loop thread never waits for the disk where it reads what is no
// longer in the log's memory. It holds no bytes itself but one buffer while a stretch is read.
//
// Only a promise about speed: a stretch that could not be read, or that left the page cache again,
// is read by the loop thread as it is. Loop thread.
class ReadAhead {
 public:
  // `log` must outlive this and all work that was taken.
  explicit ReadAhead(SegmentLog& log) : log_(log) {}
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // True when records that begin in [from, last] can be read without waiting. Otherwise work is
  // waiting or out; ask again when some is finished. REQUIRES: from <= last, one segment.
  bool ready(base::Lsn from, base::Lsn last);

  // The next stretch to be read; nullptr: nothing is wanted, or one is out already.
  std::shared_ptr<LogWork> take();
  // Rises with every piece of work that is finished.
  std::uint64_t finished() const { return finished_; }

  static constexpr std::uint64_t kStretchBytes = 1ULL << 20;

 private:
  class Reading;
  struct Stretch {
    std::uint64_t segment = 0;
    std::uint64_t index = 0;  // of kStretchBytes each, from the begin of the file
    bool operator==(const Stretch&) const = default;
  };
  struct Known {
    Stretch stretch;
    std::uint64_t used_at = 0;
  };

  Stretch stretch_of(base::Lsn lsn) const;
  base::Lsn begin_of(const Stretch& stretch) const;
  static bool contains(const std::deque<Stretch>& queue, const Stretch& stretch);
  bool is_out(const Stretch& stretch) const;
  // `queue`: where it would wait.
  bool is_there(const Stretch& stretch, const std::deque<Stretch>& queue);
  Stretch next(const Stretch& stretch) const;
  bool worth_reading(const Stretch& stretch) const;
  Known* find(const Stretch& stretch);
  void want(const Stretch& stretch, bool demanded);
  void remember(const Stretch& stretch);

  SegmentLog& log_;
  std::vector<Known> known_;
  std::deque<Stretch> demanded_;
  std::deque<Stretch> ahead_;  // after what is demanded
  std::weak_ptr<Reading> out_;
  std::uint64_t uses_ = 0;
  std::uint64_t finished_ = 0;
};

}  // namespace sluice::storage
