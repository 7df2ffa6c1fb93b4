#include "broker/timed_runs.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/varint.h"

namespace sluice::broker {

namespace {

constexpr base::WallTime kFirstTime{std::numeric_limits<std::int64_t>::min()};
// Due at any time, and far enough from the end of the clock to be calculated with.
constexpr base::WallTime kUnknown{std::numeric_limits<std::int64_t>::min() / 2};

}  // namespace

TimedRuns::TimedRuns(storage::SideIndex& index, const storage::StreamId& stream, SideTag runs,
                     SideTag by_time)
    : runs_(index, {stream, base::SubscriptionId(0)}, runs),
      by_time_(index, {stream, base::SubscriptionId(0)}, by_time),
      cursor_{kFirstTime, {}, {}} {}

void TimedRuns::add(base::SequenceRange range, base::WallTime time) {
  CHECK(!any_in(range));
  Run run{range, time};
  if (known_.contains(range.first - 1)) {
    const auto before = first_at(range.first - 1);
    if (before && before->range.last + 1 == range.first && before->time == time) {
      erase(*before);
      run.range.first = before->range.first;
    }
  }
  known_.insert(range);
  insert(run);
  if (std::pair(time, range.first) < std::pair(cursor_.time, cursor_.next)) {
    cursor_ = {time, run.range.first, range.first};
  } else if (time == cursor_.time) {
    cursor_.first = std::min(cursor_.first, run.range.first);
  }
  next_ = next_ ? std::min(*next_, time) : time;
}

void TimedRuns::cut(base::SequenceRange range) {
  if (known_.empty() || !known_.contains_any(range)) return;
  for (auto run = first_at(range.first); run && run->range.first <= range.last;) {
    const Run old = *run;
    erase(old);
    if (old.range.first < range.first) insert({{old.range.first, range.first - 1}, old.time});
    if (range.last < old.range.last) insert({{range.last + 1, old.range.last}, old.time});
    if (range.last <= old.range.last) break;
    run = first_at(old.range.last + 1);
  }
  known_.erase(range);
}

void TimedRuns::rearm() {
  cursor_ = {kFirstTime, {}, {}};
  if (!known_.empty()) next_ = kUnknown;
}

std::optional<base::WallTime> TimedRuns::earliest() const {
  return known_.empty() ? std::nullopt : next_;
}

std::optional<base::SequenceRange> TimedRuns::pop_due(base::WallTime now, std::uint64_t count_max) {
  if (known_.empty() || count_max == 0) return std::nullopt;
  while (next_ && *next_ <= now) {
    const auto row = by_time_.at_or_after(to_side_number(cursor_.time), cursor_.first.value());
    if (!row) {
      next_.reset();
      break;
    }
    const base::WallTime time = from_side_number(row->a);
    const base::Sequence first(row->b);
    base::ByteReader in(row->value);
    base::SequenceRange part{first, first + storage::get_varint(in)};
    if (time == cursor_.time) part.first = std::max(part.first, cursor_.next);
    if (part.last < part.first) {
      cursor_.first = first + 1;
      continue;
    }
    next_ = time;
    if (now < time) break;
    if (part.count() > count_max) {
      part.last = part.first + (count_max - 1);
      cursor_ = {time, first, part.last + 1};
    } else {
      cursor_ = {time, first + 1, part.last + 1};
    }
    return part;
  }
  return std::nullopt;
}

bool TimedRuns::is_popped(base::Sequence sequence) const {
  bool popped = false;
  for_each_in({sequence, sequence}, [&](base::SequenceRange, base::WallTime time) {
    popped = std::pair(time, sequence) < std::pair(cursor_.time, cursor_.next);
  });
  return popped;
}

void TimedRuns::restore(storage::SequenceSet known) {
  known_ = std::move(known);
  rearm();
}

std::optional<TimedRuns::Run> TimedRuns::first_at(base::Sequence sequence) const {
  const auto row = runs_.at_or_after(sequence.value());
  if (!row) return std::nullopt;
  base::ByteReader in(row->value);
  const base::Sequence last(row->a);
  const std::uint64_t more = storage::get_varint(in);
  const std::uint64_t time = storage::get_delta(in, 0);
  return Run{{last - more, last}, base::WallTime(static_cast<std::int64_t>(time))};
}

void TimedRuns::insert(const Run& run) {
  const std::uint64_t more = run.range.count() - 1;
  std::vector<std::byte> value;
  base::ByteWriter out(value);
  storage::put_varint(out, more);
  by_time_.put(to_side_number(run.time), run.range.first.value(), value);
  storage::put_delta(out, 0, static_cast<std::uint64_t>(run.time.value()));
  runs_.put(run.range.last.value(), value);
}

void TimedRuns::erase(const Run& run) {
  runs_.erase(run.range.last.value());
  by_time_.erase(to_side_number(run.time), run.range.first.value());
}

}  // namespace sluice::broker
