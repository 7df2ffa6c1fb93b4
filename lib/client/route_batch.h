#pragma once

#include <vector>

#include "base/ids.h"
#include "client/publish_lane.h"
#include "wire/shard_map.h"

namespace sluice::client {

// A part of a batch, and where it belongs.
struct RoutedBatch {
  base::ShardIndex shard;
  PendingBatch batch;
};

// What was made for one shard of an older map, by the map of now: one part a shard, messages in
// their order. Messages that may go anywhere stay in `before` where that exists. Pure.
std::vector<RoutedBatch> route_batch(PendingBatch batch, const wire::SlotTable& slots,
                                     base::ShardIndex before);

}  // namespace sluice::client
