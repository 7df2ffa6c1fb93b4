#include "broker/byte_ledger.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "broker/sequence_runs.h"

namespace sluice::broker {

namespace {

// A body's size in a uniform run, the mean size in a mixed one.
std::uint64_t each(const ByteLedger::Run& run) {
  const std::uint64_t count = run.uniform ? run.live : run.total;
  return count == 0 ? 0 : run.bytes / count;
}

}  // namespace

void ByteLedger::add(base::SequenceRange range, std::uint64_t bytes, bool uniform) {
  messages_ += range.count();
  bytes_ += bytes;
  if (!runs_.empty()) {
    Run& before = std::prev(runs_.end())->second;
    CHECK(before.last < range.first);
    const bool same_size = before.uniform && uniform && each(before) == bytes / range.count();
    if (same_size && before.last + 1 == range.first) {
      before.last = range.last;
      before.live += range.count();
      before.bytes += bytes;
      return;
    }
  }
  const std::uint64_t total = uniform ? 0 : range.count();
  runs_.emplace_hint(runs_.end(), range.first,
                     Run{range.last, range.count(), bytes, uniform, total});
  if (runs_.size() > kRunsMax) join_neighbours();
}

void ByteLedger::remove(base::SequenceRange range) { remove_from(first_at(range.first), range); }

void ByteLedger::remove(const std::vector<base::SequenceRange>& ranges) {
  auto at = runs_.end();
  for (std::size_t i = 0; i < ranges.size();) {
    const auto is_here = [&](base::Sequence sequence) {
      return at != runs_.end() && at->first <= sequence && sequence <= at->second.last;
    };
    if (!is_here(ranges[i].first)) at = first_at(ranges[i].first);
    // As many as one run covers.
    std::uint64_t left = 0;
    for (; i < ranges.size() && is_here(ranges[i].first) && is_here(ranges[i].last); ++i) {
      left += ranges[i].count();
    }
    if (left == 0) {
      at = remove_from(at, ranges[i]);
      ++i;
    } else if (take(at->second, left); at->second.live == 0) {
      at = runs_.erase(at);
    }
  }
}

// So many of the messages of a run leave.
void ByteLedger::take(Run& run, std::uint64_t left) {
  CHECK(left <= run.live);
  const std::uint64_t bytes = left == run.live ? run.bytes : (run.uniform ? each(run) * left : 0);
  run.live -= left;
  run.bytes -= bytes;
  messages_ -= left;
  bytes_ -= bytes;
}

// The run that covers `sequence`, else the next one.
ByteLedger::Runs::iterator ByteLedger::first_at(base::Sequence sequence) {
  const auto at = find(sequence);
  return at == runs_.end() ? runs_.lower_bound(sequence) : at;
}

// Returns a run that may cover what comes behind `range`.
ByteLedger::Runs::iterator ByteLedger::remove_from(Runs::iterator at, base::SequenceRange range) {
  while (at != runs_.end() && at->first <= range.last) {
    Run& run = at->second;
    const std::uint64_t left = intersection({at->first, run.last}, range).count();
    take(run, left);
    if (run.live > 0 && range.last < run.last) return at;
    at = run.live == 0 ? runs_.erase(at) : std::next(at);
  }
  return at;
}

void ByteLedger::put_back(base::Sequence sequence, std::uint64_t bytes) {
  messages_ += 1;
  const auto found = find(sequence);
  if (found != runs_.end()) {
    // A mixed run still counts the body that had left.
    Run& run = found->second;
    const std::uint64_t added = run.uniform ? each(run) : 0;
    run.live += 1;
    run.bytes += added;
    bytes_ += added;
    return;
  }
  bytes_ += bytes;
  runs_.emplace(sequence, Run{sequence, 1, bytes, true, 0});
  if (runs_.size() > kRunsMax) join_neighbours();
}

void ByteLedger::put_back(base::SequenceRange range, const ByteLedger& sizes) {
  // What a run here still covers comes back to it; what lies between runs is a run of its own.
  base::Sequence from = range.first;
  while (from <= range.last) {
    const auto known = find(from);
    if (known != runs_.end()) {
      Run& run = known->second;
      const base::SequenceRange part{from, std::min(run.last, range.last)};
      const std::uint64_t added = run.uniform ? each(run) * part.count() : 0;
      run.live += part.count();
      run.bytes += added;
      messages_ += part.count();
      bytes_ += added;
      from = part.last + 1;
      continue;
    }
    const auto next = runs_.lower_bound(from);
    base::SequenceRange gap{from, range.last};
    if (next != runs_.end() && next->first <= gap.last) gap.last = next->first - 1;
    auto size = sizes.runs_.upper_bound(from);
    if (size != sizes.runs_.begin()) --size;
    while (size != sizes.runs_.end() && size->second.last < from) ++size;
    if (size == sizes.runs_.end() || gap.last < size->first) {
      insert_run(from, Run{gap.last, gap.count(), 0, false, gap.count()});
      from = gap.last + 1;
      continue;
    }
    // Not beyond the run that knows the size.
    if (from < size->first) {
      gap.last = size->first - 1;
      insert_run(from, Run{gap.last, gap.count(), 0, false, gap.count()});
    } else {
      gap.last = std::min(gap.last, size->second.last);
      const std::uint64_t bytes = each(size->second) * gap.count();
      const bool uniform = size->second.uniform;
      insert_run(from, Run{gap.last, gap.count(), bytes, uniform, uniform ? 0 : gap.count()});
    }
    from = gap.last + 1;
  }
  if (runs_.size() > kRunsMax) join_neighbours();
}

// REQUIRES: nothing of it is covered by a run.
void ByteLedger::insert_run(base::Sequence first, const Run& run) {
  runs_.emplace(first, run);
  messages_ += run.live;
  bytes_ += run.bytes;
}

std::pair<std::uint64_t, std::uint64_t> ByteLedger::messages_with(base::SequenceRange range,
                                                                  std::uint64_t bytes) const {
  std::uint64_t count = 1;
  std::uint64_t freed = 0;
  auto at = runs_.upper_bound(range.first);
  if (at != runs_.begin()) --at;
  for (; at != runs_.end() && at->first <= range.last && freed < bytes; ++at) {
    const Run& run = at->second;
    if (run.last < range.first) continue;
    const base::SequenceRange part = intersection({at->first, run.last}, range);
    std::uint64_t taken = part.count();
    if (run.uniform && each(run) > 0) {
      taken = std::min(taken, (bytes - freed + each(run) - 1) / each(run));
      freed += taken * each(run);
    } else if (taken >= run.live) {
      freed += run.bytes;
    }
    count = part.first.value() + taken - range.first.value();
  }
  return {std::max<std::uint64_t>(count, 1), freed};
}

std::uint64_t ByteLedger::bytes_while(const std::vector<base::SequenceRange>& ranges) const {
  std::uint64_t bytes = 0;
  const Run* counted = nullptr;  // a mixed run, which counts whole
  for (const base::SequenceRange& range : ranges) {
    auto at = runs_.upper_bound(range.first);
    if (at != runs_.begin()) --at;
    for (; at != runs_.end() && at->first <= range.last; ++at) {
      const Run& run = at->second;
      if (run.last < range.first || &run == counted) continue;
      if (run.uniform) {
        bytes += each(run) * intersection({at->first, run.last}, range).count();
      } else {
        bytes += run.bytes;
        counted = &run;
      }
    }
  }
  return bytes;
}

std::uint64_t ByteLedger::size_of(base::Sequence sequence) const {
  auto at = runs_.upper_bound(sequence);
  if (at == runs_.begin()) return 0;
  --at;
  return sequence <= at->second.last ? each(at->second) : 0;
}

std::pair<std::uint64_t, std::uint64_t> ByteLedger::sum_of(base::SequenceRange range) const {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  auto at = runs_.upper_bound(range.first);
  if (at != runs_.begin()) --at;
  for (; at != runs_.end() && at->first <= range.last; ++at) {
    const Run& run = at->second;
    if (run.last < range.first) continue;
    const std::uint64_t count =
        std::min(run.live, intersection({at->first, run.last}, range).count());
    messages += count;
    bytes += count * each(run);
  }
  return {messages, bytes};
}

void ByteLedger::restore(base::Sequence first, const Run& run) {
  CHECK(runs_.empty() || std::prev(runs_.end())->second.last < first);
  runs_.emplace_hint(runs_.end(), first, run);
  messages_ += run.live;
  bytes_ += run.bytes;
}

ByteLedger::Runs::iterator ByteLedger::find(base::Sequence sequence) {
  auto at = runs_.upper_bound(sequence);
  if (at == runs_.begin()) return runs_.end();
  --at;
  return sequence <= at->second.last ? at : runs_.end();
}

void ByteLedger::join_neighbours() {
  for (auto at = runs_.begin(); at != runs_.end() && std::next(at) != runs_.end(); ++at) {
    const auto next = std::next(at);
    Run& run = at->second;
    const bool uniform = run.uniform && next->second.uniform && each(run) == each(next->second);
    const auto messages = [](const Run& of) { return of.uniform ? of.live : of.total; };
    run.total = uniform ? 0 : messages(run) + messages(next->second);
    run.uniform = uniform;
    run.last = next->second.last;
    run.live += next->second.live;
    run.bytes += next->second.bytes;
    runs_.erase(next);
  }
}

}  // namespace sluice::broker
