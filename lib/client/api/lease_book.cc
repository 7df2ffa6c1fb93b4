#include "client/api/lease_book.h"

#include <algorithm>

namespace sluice::api {

void LeaseBook::add(const std::vector<client::Receipt>& receipts, base::MonoTime received,
                    base::Millis lease) {
  for (const client::Receipt& receipt : receipts) {
    Batch& batch = batches_[{receipt.shard, receipt.epoch}];
    batch.unsettled.push_back(receipt.range);
    batch.half = base::Nanos(lease) / 2;
    batch.due = received + batch.half;
    batch.last = received + extend_for_;
  }
}

void LeaseBook::settle(const client::Receipt& receipt) {
  const auto found = batches_.find({receipt.shard, receipt.epoch});
  if (found == batches_.end()) return;
  std::vector<base::SequenceRange>& ranges = found->second.unsettled;
  const base::SequenceRange& gone = receipt.range;
  for (std::size_t i = 0; i < ranges.size();) {
    const base::SequenceRange range = ranges[i];
    if (range.last < gone.first || gone.last < range.first) {
      ++i;
      continue;
    }
    const auto at = ranges.begin() + static_cast<std::ptrdiff_t>(i);
    const bool head = range.first < gone.first;
    const bool tail = gone.last < range.last;
    if (head && tail) {
      ranges[i].last = gone.first - 1;
      ranges.insert(at + 1, {gone.last + 1, range.last});
      break;
    }
    if (head) {
      ranges[i++].last = gone.first - 1;
    } else if (tail) {
      ranges[i].first = gone.last + 1;
      break;
    } else {
      ranges.erase(at);
    }
  }
  if (ranges.empty()) batches_.erase(found);
}

std::vector<client::Receipt> LeaseBook::take_due(base::MonoTime now) {
  std::vector<client::Receipt> receipts;
  for (auto& [place, batch] : batches_) {
    if (batch.due > now || batch.due >= batch.last) continue;
    for (const base::SequenceRange& range : batch.unsettled) {
      receipts.push_back({place.first, place.second, range});
    }
    batch.due = now + batch.half;
  }
  return receipts;
}

std::optional<base::MonoTime> LeaseBook::next() const {
  std::optional<base::MonoTime> next;
  for (const auto& [place, batch] : batches_) {
    if (batch.due < batch.last) next = next ? std::min(*next, batch.due) : batch.due;
  }
  return next;
}

}  // namespace sluice::api
