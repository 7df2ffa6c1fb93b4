#include "client/api/lease_book.h"

#include <algorithm>
#include <iterator>

namespace sluice::api {
namespace {

// Takes what lies in `gone` out of the ranges; returns how many messages that were.
std::uint64_t cut_out(std::vector<base::SequenceRange>& ranges, const base::SequenceRange& gone) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < ranges.size();) {
    const base::SequenceRange range = ranges[i];
    if (range.last < gone.first || gone.last < range.first) {
      ++i;
      continue;
    }
    count += base::SequenceRange{std::max(range.first, gone.first), std::min(range.last, gone.last)}
                 .count();
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
  return count;
}

}  // namespace

void LeaseBook::wake_for(const Timing& timing) {
  if (timing.due < timing.last) next_ = next_ ? std::min(*next_, timing.due) : timing.due;
}

void LeaseBook::add(const std::vector<client::Receipt>& receipts, base::MonoTime received,
                    base::Millis lease) {
  const base::Nanos half = base::Nanos(lease) / 2;
  const Timing timing{half, received + half, received + extend_for_};
  for (const client::Receipt& receipt : receipts) {
    Batch& batch = batches_[{receipt.shard, receipt.epoch}];
    batch.unsettled.push_back(receipt.range);
    batch.timing = timing;
  }
  wake_for(timing);
}

std::uint64_t LeaseBook::settle(const client::Receipt& receipt) {
  std::uint64_t count = held_.empty() ? 0 : settle_held(receipt);
  const auto found = batches_.find({receipt.shard, receipt.epoch});
  if (found == batches_.end()) return count;
  count += cut_out(found->second.unsettled, receipt.range);
  if (found->second.unsettled.empty()) batches_.erase(found);
  if (empty()) next_.reset();
  return count;
}

std::uint64_t LeaseBook::settle_held(const client::Receipt& receipt) {
  const auto begin = held_.lower_bound({receipt.shard, receipt.epoch, receipt.range.first});
  const auto end = held_.upper_bound({receipt.shard, receipt.epoch, receipt.range.last});
  const auto count = static_cast<std::uint64_t>(std::distance(begin, end));
  held_.erase(begin, end);
  if (empty()) next_.reset();
  return count;
}

void LeaseBook::hold(const client::Receipt& receipt, base::MonoTime until) {
  const MessagePlace place{receipt.shard, receipt.epoch, receipt.range.first};
  auto held = held_.find(place);
  if (held == held_.end()) {
    const auto batch = batches_.find({receipt.shard, receipt.epoch});
    if (batch == batches_.end()) return;
    const Timing timing = batch->second.timing;
    if (cut_out(batch->second.unsettled, receipt.range) == 0) return;
    if (batch->second.unsettled.empty()) batches_.erase(batch);
    held = held_.emplace(place, timing).first;
  }
  held->second.due = until + -held->second.half;
  wake_for(held->second);
}

void LeaseBook::clear(base::ShardIndex shard) {
  std::erase_if(batches_, [shard](const auto& one) { return one.first.first == shard; });
  std::erase_if(held_, [shard](const auto& one) { return std::get<0>(one.first) == shard; });
  if (empty()) next_.reset();
}

std::vector<client::Receipt> LeaseBook::take_due(base::MonoTime now) {
  std::vector<client::Receipt> receipts;
  if (!next_ || now < *next_) return receipts;
  next_.reset();
  for (auto& [place, batch] : batches_) {
    if (batch.timing.is_due(now)) {
      for (const base::SequenceRange& range : batch.unsettled) {
        receipts.push_back({place.first, place.second, range});
      }
      batch.timing.due = now + batch.timing.half;
    }
    wake_for(batch.timing);
  }
  for (auto& [place, timing] : held_) {
    if (timing.is_due(now)) {
      const auto& [shard, epoch, sequence] = place;
      receipts.push_back({shard, epoch, {sequence, sequence}});
      timing.due = now + timing.half;
    }
    wake_for(timing);
  }
  return receipts;
}

}  // namespace sluice::api
