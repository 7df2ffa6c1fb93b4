#include "broker/sequence_runs.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {

void normalise(Ranges& ranges) {
  // Usually there is nothing to do.
  std::size_t apart = 1;
  while (apart < ranges.size() && ranges[apart - 1].last + 1 < ranges[apart].first) ++apart;
  if (apart >= ranges.size()) return;
  if (!std::is_sorted(ranges.begin(), ranges.end())) {
    std::sort(ranges.begin(), ranges.end());
    apart = 1;
  }
  std::size_t kept = apart - 1;
  for (std::size_t i = apart; i < ranges.size(); ++i) {
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

Ranges::const_iterator first_overlap(const Ranges& ranges, base::Sequence sequence) {
  return std::lower_bound(
      ranges.begin(), ranges.end(), sequence,
      [](const base::SequenceRange& range, base::Sequence at) { return range.last < at; });
}

std::uint64_t cut_range(Ranges& ranges, base::SequenceRange out) {
  auto at = ranges.begin() + (first_overlap(ranges, out.first) - ranges.cbegin());
  std::uint64_t removed = 0;
  if (at != ranges.end() && at->first < out.first) {
    // The part before `out` stays, and may be the part behind it as well.
    const base::SequenceRange whole = *at;
    at->last = out.first - 1;
    ++at;
    if (out.last < whole.last) {
      ranges.insert(at, {out.last + 1, whole.last});
      return out.count();
    }
    removed += whole.last - out.first + 1;
  }
  const auto first_gone = at;
  for (; at != ranges.end() && at->last <= out.last; ++at) removed += at->count();
  if (at != ranges.end() && at->first <= out.last) {
    removed += out.last - at->first + 1;
    at->first = out.last + 1;
  }
  ranges.erase(first_gone, at);
  return removed;
}

std::uint64_t cut_ranges(Ranges& ranges, const Ranges& out) {
  constexpr std::size_t kFew = 4;
  std::uint64_t removed = 0;
  if (out.size() <= kFew) {
    for (const base::SequenceRange& range : out) removed += cut_range(ranges, range);
    return removed;
  }
  Ranges left;
  left.reserve(ranges.size() + out.size());
  auto cut = out.begin();
  for (const base::SequenceRange& range : ranges) {
    base::Sequence first = range.first;
    while (cut != out.end() && cut->last < first) ++cut;
    for (auto at = cut; at != out.end() && at->first <= range.last; ++at) {
      if (first < at->first) left.push_back({first, at->first - 1});
      removed += intersection(*at, range).count();
      first = at->last + 1;
    }
    if (first <= range.last) left.push_back({first, range.last});
  }
  ranges = std::move(left);
  return removed;
}

}  // namespace sluice::broker
