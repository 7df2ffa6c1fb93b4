#include "operator/app/heap_trim.h"

#include <utility>

namespace sluice::op {

bool HeapTrim::is_due(const kube::WorkQueueStats& work, base::MonoTime now) {
  const bool has_more = std::exchange(seen_adds_, work.adds) != work.adds;
  if (has_more && !worked_since_) worked_since_ = now;
  if (!worked_since_ && once_more_at_ && now >= *once_more_at_) {
    once_more_at_.reset();
    return true;
  }
  if (!worked_since_ || (trimmed_at_ && now < *trimmed_at_ + kNotBefore)) return false;
  const bool is_quiet = !has_more && work.depth == 0 && work.processing == 0;
  if (!is_quiet && now < *worked_since_ + kLatest) return false;
  worked_since_.reset();
  trimmed_at_ = now;
  once_more_at_ = now + base::Nanos(kOnceMore);
  return true;
}

}  // namespace sluice::op
