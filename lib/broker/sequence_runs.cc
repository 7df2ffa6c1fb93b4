#include "broker/sequence_runs.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::broker {

void append_range(Ranges& ranges, base::SequenceRange range) {
  if (!ranges.empty() && ranges.back().last + 1 == range.first) {
    ranges.back().last = range.last;
    return;
  }
  DCHECK(ranges.empty() || ranges.back().last < range.first);
  ranges.push_back(range);
}

void normalise(Ranges& ranges) {
  if (ranges.size() < 2) return;
  std::sort(ranges.begin(), ranges.end());
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first <= ranges[kept].last + 1) {
      ranges[kept].last = std::max(ranges[kept].last, ranges[i].last);
    } else {
      ranges[++kept] = ranges[i];
    }
  }
  ranges.resize(kept + 1);
}

std::uint64_t count_messages(const Ranges& ranges) {
  std::uint64_t count = 0;
  for (const base::SequenceRange& range : ranges) count += range.count();
  return count;
}

std::uint64_t cut_range(Ranges& ranges, base::SequenceRange out) {
  if (ranges.size() == 1 && ranges.front() == out) {
    ranges.clear();
    return out.count();
  }
  std::uint64_t removed = 0;
  Ranges kept;
  kept.reserve(ranges.size() + 1);
  for (const base::SequenceRange& range : ranges) {
    if (!overlaps(range, out)) {
      kept.push_back(range);
      continue;
    }
    removed += intersection(range, out).count();
    if (range.first < out.first) kept.push_back({range.first, out.first - 1});
    if (out.last < range.last) kept.push_back({out.last + 1, range.last});
  }
  ranges = std::move(kept);
  return removed;
}

base::SequenceRange intersection(base::SequenceRange a, base::SequenceRange b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

}  // namespace sluice::broker
