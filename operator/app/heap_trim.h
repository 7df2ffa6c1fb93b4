#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "kube/work_queue.h"

namespace sluice::op {

// When the heap is to give back to the system what nobody uses any more. The C library keeps the
// memory of what was freed: a wave of Queues that came and went would stay resident for good.
// Giving it back takes milliseconds, in which other threads may wait for memory: so it is done when
// there was work and is none now, and where there always is some, every few minutes; and once more
// when what is remembered for a while (Events) has gone, too. Pure.
class HeapTrim {
 public:
  static constexpr base::Millis kLookEach{5'000};
  static constexpr base::Millis kNotBefore{30'000};  // since the last time
  static constexpr base::Millis kLatest{300'000};    // since work began
  static constexpr base::Millis kOnceMore{900'000};  // after work has ended

  // Asked every kLookEach.
  bool is_due(const kube::WorkQueueStats& work, base::MonoTime now);

 private:
  std::uint64_t seen_adds_ = 0;
  std::optional<base::MonoTime> worked_since_;  // none = nothing was done since the last time
  std::optional<base::MonoTime> trimmed_at_;
  std::optional<base::MonoTime> once_more_at_;
};

}  // namespace sluice::op
