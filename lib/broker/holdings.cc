#include "broker/holdings.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/check.h"

namespace sluice::broker {

using base::Sequence;
using base::SequenceRange;

void Holdings::add(base::Epoch epoch, const Ranges& ranges) {
  CHECK(!ranges.empty());
  SequenceRange stretch = ranges.front();
  std::uint64_t count = 0;
  const auto close = [&] {
    put(stretch.first, Stretch{stretch.last, epoch, count});
    count = 0;
  };
  auto behind = first_at(stretches_, stretch.first);
  for (const SequenceRange& range : ranges) {
    const bool is_free = behind == stretches_.end() || range.last < behind->first;
    if (!is_free) {
      // Somebody else's begins before this one ends.
      if (count > 0) close();
      clear_of(range);
      behind = first_at(stretches_, range.last);
      stretch.first = range.first;
    }
    stretch.last = range.last;
    count += range.count();
  }
  close();
  messages_.insert(ranges);
}

void Holdings::put(Sequence first, const Stretch& stretch) {
  stretches_.emplace(first, stretch);
  by_epoch_.emplace(stretch.epoch, first);
}

Holdings::Stretches::iterator Holdings::erase(Stretches::iterator at) {
  by_epoch_.erase({at->second.epoch, at->first});
  return stretches_.erase(at);
}

std::uint64_t Holdings::append_held(base::Epoch epoch, SequenceRange range,
                                    std::uint64_t messages_max, Ranges& out) const {
  std::uint64_t left = messages_max;
  auto own = by_epoch_.upper_bound({epoch, range.first});
  if (own != by_epoch_.begin() && std::prev(own)->first == epoch) --own;
  for (; own != by_epoch_.end() && own->first == epoch && own->second <= range.last && left > 0;
       ++own) {
    const SequenceRange whole{own->second, stretches_.find(own->second)->second.last};
    if (!overlaps(whole, range)) continue;
    const SequenceRange window = intersection(whole, range);
    messages_.for_each_range(window.first, window.last, [&](SequenceRange run) {
      if (run.count() > left) run.last = run.first + (left - 1);
      left -= run.count();
      if (!out.empty() && out.back().last + 1 == run.first) {
        out.back().last = run.last;
      } else {
        out.push_back(run);
      }
      return left > 0;
    });
  }
  return messages_max - left;
}

bool Holdings::surely_holds(base::Epoch epoch, std::span<const SequenceRange> ranges) const {
  auto at = stretches_.end();
  for (const SequenceRange& range : ranges) {
    if (at == stretches_.end() || at->second.last < range.first) {
      at = first_at(stretches_, range.first);
    }
    const bool inside = at != stretches_.end() && at->second.epoch == epoch &&
                        at->first <= range.first && range.last <= at->second.last;
    if (!inside) return false;
  }
  return messages_.contains_all(ranges);
}

// Nobody holds any of `range`, but stretches may reach over it: they part there.
void Holdings::clear_of(SequenceRange range) {
  for (auto at = first_at(stretches_, range.first);
       at != stretches_.end() && at->first <= range.last;) {
    const SequenceRange whole{at->first, at->second.last};
    const Stretch old = at->second;
    at = erase(at);
    std::uint64_t before = 0;
    if (whole.first < range.first) {
      before = messages_.count_in({whole.first, range.first - 1});
      if (before > 0) put(whole.first, Stretch{range.first - 1, old.epoch, before});
    }
    if (range.last < whole.last && before < old.messages) {
      put(range.last + 1, Stretch{whole.last, old.epoch, old.messages - before});
      return;  // no other one reaches that far
    }
  }
}

// The parts of `ranges`, the first of which ends in `whole` or behind it, that are in `whole` and
// held.
Ranges Holdings::held_in(SequenceRange whole, std::span<const SequenceRange> ranges) const {
  Ranges parts;
  const auto behind =
      std::partition_point(ranges.begin(), ranges.end(),
                           [&](const SequenceRange& range) { return range.first <= whole.last; });
  const auto here = ranges.first(static_cast<std::size_t>(behind - ranges.begin()));
  if (here.empty()) return parts;
  // What is settled is nearly always what was delivered, in one go.
  if (whole.first <= here.front().first && here.back().last <= whole.last &&
      messages_.contains_all(here)) {
    parts.assign(here.begin(), here.end());
    return parts;
  }
  for (const SequenceRange& range : here) append_messages(intersection(range, whole), parts);
  return parts;
}

void Holdings::append_messages(SequenceRange window, Ranges& parts) const {
  if (window.first == window.last) {
    if (messages_.contains(window.first)) append_range(parts, window);
    return;
  }
  messages_.for_each_range(window.first, window.last, [&](SequenceRange run) {
    append_range(parts, run);
    return true;
  });
}

}  // namespace sluice::broker
