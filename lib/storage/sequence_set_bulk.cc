#include <algorithm>
#include <optional>

#include "base/check.h"
#include "storage/sequence_set.h"

// Changes and queries of SequenceSet for many ranges at once.
namespace sluice::storage {

namespace {

// Fewer are changed one by one.
constexpr std::size_t kBulkMin = 4;

}  // namespace

// The first of `ranges` from `at` on lie within container `key`; these, as runs of it.
void SequenceSet::take_runs(std::span<const Range> ranges, std::size_t at, std::uint64_t key,
                            std::vector<SequenceContainer::Run>& runs) {
  const std::uint64_t behind = (key + 1) * kSize;
  runs.resize(ranges.size() - at);
  std::size_t count = 0;
  for (; at < ranges.size() && ranges[at].last.value() < behind; ++at) {
    runs[count++] = {static_cast<std::uint16_t>(low_of(ranges[at].first.value())),
                     static_cast<std::uint16_t>(low_of(ranges[at].last.value()))};
  }
  runs.resize(count);
}

// The entry whose container takes a row of `ranges` from `at` on at once, with that row in `runs`;
// nothing = the range at `at` is a matter of its own.
std::optional<std::size_t> SequenceSet::bulk_entry(
    std::span<const Range> ranges, std::size_t at,
    std::vector<SequenceContainer::Run>& runs) const {
  const std::uint64_t first = ranges[at].first.value();
  if (first < floor_) return std::nullopt;
  const std::uint64_t key = key_of(first);
  const std::size_t entry = find(key);
  if (entry == entries_.size() || entries_[entry].first_key > key || entries_[entry].full()) {
    return std::nullopt;
  }
  take_runs(ranges, at, key, runs);
  if (runs.size() < kBulkMin) return std::nullopt;
  return entry;
}

std::uint64_t SequenceSet::insert(std::span<const Range> ranges) {
  std::uint64_t added = 0;
  // Those that touch the floor come last, so that it rises over all of them at once.
  std::size_t low = 0;
  while (low < ranges.size() && ranges[low].first.value() <= floor_) ++low;
  std::vector<SequenceContainer::Run> runs;
  for (std::size_t at = low; at < ranges.size();) {
    const std::optional<std::size_t> bulk = bulk_entry(ranges, at, runs);
    if (!bulk) {
      added += insert(ranges[at++]);
      continue;
    }
    at += runs.size();
    hint_ = *bulk;
    const std::uint32_t here = entries_[*bulk].part.insert(runs);
    above_floor_ += here;
    added += here;
    if (!entries_[*bulk].part.full()) continue;
    entries_[*bulk].part = SequenceContainer();
    hint_ = merge_full(*bulk);
  }
  for (std::size_t at = 0; at < low; ++at) added += insert(ranges[at]);
  return added;
}

std::uint64_t SequenceSet::erase(std::span<const Range> ranges) {
  std::uint64_t removed = 0;
  std::vector<SequenceContainer::Run> runs;
  for (std::size_t at = 0; at < ranges.size();) {
    const std::optional<std::size_t> bulk = bulk_entry(ranges, at, runs);
    if (!bulk) {
      removed += erase(ranges[at++]);
      continue;
    }
    at += runs.size();
    hint_ = *bulk;
    const std::uint32_t here = entries_[*bulk].part.erase(runs);
    above_floor_ -= here;
    removed += here;
    if (entries_[*bulk].part.empty()) {
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(*bulk));
    }
  }
  return removed;
}

bool SequenceSet::contains_any(std::span<const Range> ranges) const {
  std::vector<SequenceContainer::Run> runs;
  for (std::size_t at = 0; at < ranges.size();) {
    const std::optional<std::size_t> bulk = bulk_entry(ranges, at, runs);
    if (!bulk) {
      if (contains_any(ranges[at++])) return true;
      continue;
    }
    if (entries_[*bulk].part.contains_any(runs)) return true;
    at += runs.size();
  }
  return false;
}

bool SequenceSet::contains_all(std::span<const Range> ranges) const {
  std::vector<SequenceContainer::Run> runs;
  for (std::size_t at = 0; at < ranges.size();) {
    const std::optional<std::size_t> bulk = bulk_entry(ranges, at, runs);
    if (!bulk) {
      if (!contains_all(ranges[at++])) return false;
      continue;
    }
    if (!entries_[*bulk].part.contains_all(runs)) return false;
    at += runs.size();
  }
  return true;
}

std::size_t SequenceSet::list_gaps(Range within, std::size_t runs_max,
                                   std::vector<Range>& out) const {
  const std::size_t begin = out.size();
  const std::uint64_t last = within.last.value();
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    if (out.size() > begin && out.back().last.value() + 1 == from) {
      out.back().last = base::Sequence(to);
      return true;
    }
    if (out.size() - begin == runs_max) return false;
    out.push_back({base::Sequence(from), base::Sequence(to)});
    return true;
  };
  std::uint64_t from = std::max(within.first.value(), floor_);
  for (std::size_t at = find(key_of(from)); from <= last; ++at) {
    if (at == entries_.size()) {
      add(from, last);
      break;
    }
    const Entry& entry = entries_[at];
    const std::uint64_t entry_begin = entry.first_key * kSize;
    if (from < entry_begin) {
      if (!add(from, std::min(entry_begin - 1, last)) || last < entry_begin) break;
      from = entry_begin;
    }
    const std::uint64_t entry_last = entry.last_key * kSize + (kSize - 1);
    if (!entry.full()) {
      const bool more = entry.part.for_each_gap(
          low_of(from), low_of(std::min(last, entry_last)),
          [&](std::uint32_t a, std::uint32_t b) { return add(entry_begin + a, entry_begin + b); });
      if (!more) break;
    }
    from = entry_last + 1;
  }
  return out.size() - begin;
}

}  // namespace sluice::storage
