#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/ids.h"

// Small helpers for lists of sequence ranges.
namespace sluice::broker {

using Ranges = std::vector<base::SequenceRange>;

// Appends `range`, joined with the last one where they touch. REQUIRES: `range` lies behind it.
inline void append_range(Ranges& ranges, base::SequenceRange range) {
  if (!ranges.empty() && ranges.back().last + 1 == range.first) {
    ranges.back().last = range.last;
    return;
  }
  DCHECK(ranges.empty() || ranges.back().last < range.first);
  ranges.push_back(range);
}

// Sorts, and joins what touches or overlaps.
void normalise(Ranges& ranges);

// Messages in all ranges. REQUIRES: disjoint.
std::uint64_t count_messages(const Ranges& ranges);

// The first of ascending, disjoint `ranges` that ends at or behind `sequence`.
Ranges::const_iterator first_overlap(const Ranges& ranges, base::Sequence sequence);

// Takes `out` away from ascending, disjoint `ranges`. Returns how many messages that were.
std::uint64_t cut_range(Ranges& ranges, base::SequenceRange out);

// The same for many. REQUIRES: `out` is ascending and disjoint too.
std::uint64_t cut_ranges(Ranges& ranges, const Ranges& out);

// From the first to the last. REQUIRES: ascending, not empty.
inline base::SequenceRange hull(const Ranges& ranges) {
  return {ranges.front().first, ranges.back().last};
}

// The part of both; REQUIRES: overlaps(a, b).
inline base::SequenceRange intersection(base::SequenceRange a, base::SequenceRange b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}
inline bool overlaps(base::SequenceRange a, base::SequenceRange b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace sluice::broker
