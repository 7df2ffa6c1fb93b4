#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "client/frame_buffer.h"
#include "wire/frame.h"

namespace sluice::client {

// Proves a lease of messages first..last of a shard. Small and free: may outlive its batch.
struct Receipt {
  base::ShardIndex shard;
  base::Epoch epoch;
  base::SequenceRange range;
};

// The same of messages that need not touch: first + i for each bit i. Bit 0 is set.
struct ReceiptWord {
  base::ShardIndex shard;
  base::Epoch epoch;
  base::Sequence first;
  std::uint64_t bits = 1;

  std::uint64_t count() const { return static_cast<std::uint64_t>(std::popcount(bits)); }
  // Only those of `some`. It is no word any more where that leaves nothing: bits is 0.
  void keep(std::uint64_t some) {
    bits &= some;
    if (bits == 0) return;
    const int before = std::countr_zero(bits);
    first = first + static_cast<std::uint64_t>(before);
    bits >>= before;
  }
};

// Calls use(receipt) for each row of messages in it, ascending.
template <typename Use>
void for_each_range(const ReceiptWord& word, const Use& use) {
  wire::for_each_range({word.epoch.value(), word.first.value(), 0, word.bits},
                       [&](const base::SequenceRange& range) {
                         use(Receipt{word.shard, word.epoch, range});
                       });
}

// Appends `next`, joined with the last one where it goes on with that.
inline void append_receipt(std::vector<Receipt>& receipts, const Receipt& next) {
  if (!receipts.empty() && receipts.back().shard == next.shard &&
      receipts.back().epoch == next.epoch && receipts.back().range.last + 1 == next.range.first) {
    receipts.back().range.last = next.range.last;
  } else {
    receipts.push_back(next);
  }
}

// One leased message, borrowed from its batch.
struct Delivery {
  base::ShardIndex shard;
  base::Epoch epoch;
  base::Sequence sequence;
  std::uint16_t attempts = 0;  // failed deliveries before this one
  std::uint16_t stalls = 0;    // leases of it that ran out
  base::WallTime accepted_at;  // when the broker took it
  base::MessageView message;

  Receipt receipt() const { return {shard, epoch, {sequence, sequence}}; }
};

// The messages of one DELIVER frame, or one large message put together, as views into the received
// bytes: nothing is copied. Owns the frame; Delivery and MessageView objects are valid as long as
// it lives (moving it is fine).
//
//   for (const Delivery& delivery : batch) { ... }
class DeliveredBatch {
 public:
  class Iterator;

  // `deliver` is the decoded body of `frame`. Checks every entry, so that iterating cannot fail.
  static base::Result<DeliveredBatch> from(InboundFrame frame, wire::Deliver deliver,
                                           base::ShardIndex shard, base::MonoTime received_at);

  Iterator begin() const;
  Iterator end() const;

  base::ShardIndex shard() const { return shard_; }
  base::Epoch epoch() const { return base::Epoch(deliver_.epoch); }
  std::uint32_t size() const { return count_; }
  std::size_t bytes() const { return deliver_.entries.size(); }  // of entries, as credit counts
  base::Millis lease() const { return base::Millis(deliver_.lease_ms); }
  base::MonoTime received_at() const { return received_at_; }
  // When the lease ends at the latest, unless it is extended. Measured from the arrival.
  base::MonoTime lease_deadline() const { return received_at_ + lease(); }
  const std::vector<wire::DeliverRun>& runs() const { return deliver_.runs; }
  // One for each row of consecutive messages; together they are the whole batch.
  std::vector<Receipt> receipts() const;

 private:
  DeliveredBatch(InboundFrame frame, wire::Deliver deliver, base::ShardIndex shard,
                 base::MonoTime received_at);

  InboundFrame frame_;
  wire::Deliver deliver_;
  base::ShardIndex shard_;
  std::uint32_t count_ = 0;
  base::MonoTime received_at_;
};

class DeliveredBatch::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Delivery;
  using difference_type = std::ptrdiff_t;
  using pointer = const Delivery*;
  using reference = const Delivery&;

  Iterator() = default;
  explicit Iterator(const DeliveredBatch& batch);

  reference operator*() const { return delivery_; }
  pointer operator->() const { return &delivery_; }
  Iterator& operator++() {
    if (--left_in_run_ > 0) [[likely]] {
      ++delivery_.sequence;
      delivery_.message = base::take_entry(entries_);
    } else {
      next_run();
    }
    --left_;
    return *this;
  }
  void operator++(int) { ++*this; }
  // Only good against end().
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.left_ == b.left_; }

 private:
  void next_run();

  const DeliveredBatch* batch_ = nullptr;
  std::size_t run_ = 0;
  std::uint32_t left_in_run_ = 0;
  std::uint32_t left_ = 0;
  base::ByteView entries_;
  Delivery delivery_;
};

inline DeliveredBatch::Iterator DeliveredBatch::begin() const { return Iterator(*this); }
inline DeliveredBatch::Iterator DeliveredBatch::end() const { return {}; }

}  // namespace sluice::client
