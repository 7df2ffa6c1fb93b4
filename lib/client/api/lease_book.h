#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "client/delivered_batch.h"

namespace sluice::api {

// What is delivered and unsettled, and when its leases are to be extended: at half time, until the
// delivery is `extend_for` old. Pure.
class LeaseBook {
 public:
  explicit LeaseBook(base::Millis extend_for) : extend_for_(extend_for) {}

  // Messages of one delivery; their ranges as DeliveredBatch::receipts() gives them.
  void add(const std::vector<client::Receipt>& receipts, base::MonoTime received,
           base::Millis lease);
  void settle(const client::Receipt& receipt);
  void clear() { batches_.clear(); }

  // What is to be extended now; counts as extended.
  std::vector<client::Receipt> take_due(base::MonoTime now);
  // When take_due() has something at the earliest; nothing = never.
  std::optional<base::MonoTime> next() const;
  bool empty() const { return batches_.empty(); }

 private:
  struct Batch {
    std::vector<base::SequenceRange> unsettled;
    base::Nanos half{};
    base::MonoTime due;
    base::MonoTime last;  // no extension from here on
  };

  base::Millis extend_for_;
  std::map<std::pair<base::ShardIndex, base::Epoch>, Batch> batches_;
};

}  // namespace sluice::api
