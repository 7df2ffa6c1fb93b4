#include "wire/shard_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/slot.h"
#include "tests/support/status_matchers.h"

namespace sluice::wire {
namespace {

using base::ErrorCode;
using test::HasCode;
using test::IsOk;

// The vectors of docs/protocol.md.
TEST(Slot, IsWhatTheDocumentSays) {
  EXPECT_EQ(slot_of("a"), 427);
  EXPECT_EQ(slot_of("order-1"), 468);
  EXPECT_EQ(slot_of("order-2"), 530);
  EXPECT_EQ(slot_of("customer/4711"), 161);
  EXPECT_EQ(slot_of("ü"), 574);
}

TEST(Slot, SpreadsNumberedKeysEvenly) {
  std::vector<int> hits(kSlots);
  for (int i = 0; i < 100 * kSlots; ++i) ++hits[slot_of("order-" + std::to_string(i))];
  EXPECT_GT(*std::min_element(hits.begin(), hits.end()), 50);
  EXPECT_LT(*std::max_element(hits.begin(), hits.end()), 160);
}

TEST(Slot, GoesByGroupThenKeyThenDedupId) {
  base::Message message;
  EXPECT_EQ(slot_key(message), "");
  message.dedup_id = "d";
  EXPECT_EQ(slot_key(message), "d");
  message.key = "k";
  EXPECT_EQ(slot_key(message), "k");
  message.group = "g";
  EXPECT_EQ(slot_key(message), "g");
}

TEST(EvenShardMap, CoversAllSlots) {
  for (std::uint16_t shards = 1; shards <= kShardsMax; ++shards) {
    const base::Result<SlotTable> table = SlotTable::from(even_shard_map(shards, 3));
    ASSERT_THAT(table, IsOk());
    EXPECT_EQ(table->shards(), shards);
    EXPECT_EQ(table->version(), 3U);
    EXPECT_EQ(table->shard_of(0), 0);
    EXPECT_EQ(table->shard_of(kSlots - 1), shards - 1);
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
      EXPECT_EQ(table->shard_of(slot), base::even_shard_of(slot, shards)) << slot;
    }
  }
}

TEST(SlotTable, FollowsTheRuns) {
  ShardMap map;
  map.runs = {{1, 2}, {1022, 0}, {1, 1}};
  const base::Result<SlotTable> table = SlotTable::from(map);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->shard_of(0), 2);
  EXPECT_EQ(table->shard_of(1), 0);
  EXPECT_EQ(table->shard_of(1022), 0);
  EXPECT_EQ(table->shard_of(1023), 1);
  EXPECT_EQ(table->shards(), 3);
}

TEST(SlotTable, RefusesGapsSurplusAndUnknownShards) {
  ShardMap map;
  EXPECT_THAT(SlotTable::from(map), HasCode(ErrorCode::kInvalidArgument));
  map.runs = {{1023, 0}};
  EXPECT_THAT(SlotTable::from(map), HasCode(ErrorCode::kInvalidArgument));
  map.runs = {{1024, 0}, {1, 0}};
  EXPECT_THAT(SlotTable::from(map), HasCode(ErrorCode::kInvalidArgument));
  map.runs = {{1024, kShardsMax}};
  EXPECT_THAT(SlotTable::from(map), HasCode(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace sluice::wire
