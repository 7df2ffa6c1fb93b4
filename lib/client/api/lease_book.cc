#include "client/api/lease_book.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace sluice::api {
void LeaseBook::wake_for(const Timing& timing) {
  if (timing.due < timing.last) next_ = next_ ? std::min(*next_, timing.due) : timing.due;
}

void LeaseBook::add(const std::vector<client::Receipt>& receipts, base::MonoTime received,
                    base::Millis lease) {
  const base::Nanos half = base::Nanos(lease) / 2;
  const Timing timing{half, received + half, received + extend_for_};
  for (const client::Receipt& receipt : receipts) {
    Batch& batch = batches_[{receipt.shard, receipt.epoch}];
    batch.unsettled.add(receipt.range);
    batch.timing = timing;
  }
  wake_for(timing);
}

LeaseBook::Batches::iterator LeaseBook::find(const Place& place) {
  if (recent_ == batches_.end() || recent_->first != place) recent_ = batches_.find(place);
  return recent_;
}

void LeaseBook::erase(Batches::iterator batch) {
  batches_.erase(batch);
  recent_ = batches_.end();
}

std::uint64_t LeaseBook::settle(const client::Receipt& receipt) {
  std::uint64_t count = held_.empty() ? 0 : settle_held(receipt);
  const auto found = find({receipt.shard, receipt.epoch});
  if (found == batches_.end()) return count;
  count += found->second.unsettled.remove(receipt.range);
  if (found->second.unsettled.empty()) erase(found);
  if (empty()) next_.reset();
  return count;
}

std::uint64_t LeaseBook::settle(const client::ReceiptWord& word) {
  const auto found = find({word.shard, word.epoch});
  std::uint64_t known = 0;
  if (found != batches_.end()) {
    known = found->second.unsettled.remove(word.first, word.bits);
    if (found->second.unsettled.empty()) erase(found);
  }
  for (std::uint64_t left = held_.empty() ? 0 : word.bits & ~known; left != 0; left &= left - 1) {
    const auto bit = static_cast<std::uint64_t>(std::countr_zero(left));
    const base::Sequence one = word.first + bit;
    known |= settle_held({word.shard, word.epoch, {one, one}}) << bit;
  }
  if (empty()) next_.reset();
  return known;
}

std::vector<client::Receipt> LeaseBook::settle(std::vector<client::ReceiptWord>& acks) {
  std::vector<client::Receipt> rows;
  for (client::ReceiptWord& word : acks) {
    const std::uint64_t known = settle(word);
    client::ReceiptWord unknown = word;
    unknown.keep(~known);
    word.keep(known);
    if (unknown.bits == 0) continue;
    client::for_each_range(
        unknown, [&](const client::Receipt& next) { client::append_receipt(rows, next); });
  }
  std::erase_if(acks, [](const client::ReceiptWord& word) { return word.bits == 0; });
  return rows;
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
    const auto batch = find({receipt.shard, receipt.epoch});
    if (batch == batches_.end()) return;
    const Timing timing = batch->second.timing;
    if (batch->second.unsettled.remove(receipt.range) == 0) return;
    if (batch->second.unsettled.empty()) erase(batch);
    held = held_.emplace(place, timing).first;
  }
  held->second.due = until + -held->second.half;
  wake_for(held->second);
}

void LeaseBook::clear(base::ShardIndex shard) {
  std::erase_if(batches_, [shard](const auto& one) { return one.first.first == shard; });
  recent_ = batches_.end();
  std::erase_if(held_, [shard](const auto& one) { return std::get<0>(one.first) == shard; });
  if (empty()) next_.reset();
}

std::vector<client::Receipt> LeaseBook::take_due(base::MonoTime now) {
  std::vector<client::Receipt> receipts;
  if (!next_ || now < *next_) return receipts;
  next_.reset();
  for (auto& [place, batch] : batches_) {
    if (batch.timing.is_due(now)) {
      for (const base::SequenceRange& range : batch.unsettled.ranges()) {
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
