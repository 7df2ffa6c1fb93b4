#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "client/api/unsettled.h"
#include "client/delivered_batch.h"

namespace sluice::api {

// What is delivered and unsettled, and when its leases are to be extended: at half time, until the
// delivery is `extend_for` old. Pure.
class LeaseBook {
 public:
  explicit LeaseBook(base::Millis extend_for) : extend_for_(extend_for) {}
  LeaseBook(const LeaseBook&) = delete;
  LeaseBook& operator=(const LeaseBook&) = delete;

  // Messages of one delivery; their ranges as DeliveredBatch::receipts() gives them.
  void add(const std::vector<client::Receipt>& receipts, base::MonoTime received,
           base::Millis lease);
  // Returns how many of the messages were here.
  std::uint64_t settle(const client::Receipt& receipt);
  // Returns which of them were here.
  std::uint64_t settle(const client::ReceiptWord& word);
  // The same for many: leaves in `acks` what was here. Returns the rest, a receipt for each row.
  std::vector<client::Receipt> settle(std::vector<client::ReceiptWord>& acks);
  // The application extended the lease of one message by itself, until then: it is left alone so
  // long that this is not cut short.
  void hold(const client::Receipt& receipt, base::MonoTime until);
  void clear(base::ShardIndex shard);

  // What is to be extended now; counts as extended.
  std::vector<client::Receipt> take_due(base::MonoTime now);
  // When take_due() may have something; nothing = never. Never too late, but perhaps early.
  std::optional<base::MonoTime> next() const { return next_; }
  bool empty() const { return batches_.empty() && held_.empty(); }

 private:
  struct Timing {
    base::Nanos half{};
    base::MonoTime due;
    base::MonoTime last;  // no extension from here on

    bool is_due(base::MonoTime now) const { return due <= now && due < last; }
  };
  struct Batch {
    Unsettled unsettled;
    Timing timing;
  };
  using Place = std::pair<base::ShardIndex, base::Epoch>;
  using Batches = std::map<Place, Batch>;
  using MessagePlace = std::tuple<base::ShardIndex, base::Epoch, base::Sequence>;

  Batches::iterator find(const Place& place);
  void erase(Batches::iterator batch);
  void wake_for(const Timing& timing);
  std::uint64_t settle_held(const client::Receipt& receipt);

  base::Millis extend_for_;
  Batches batches_;
  Batches::iterator recent_ = batches_.end();  // where the last one was found: rows are usual
  std::map<MessagePlace, Timing> held_;
  std::optional<base::MonoTime> next_;
};

}  // namespace sluice::api
