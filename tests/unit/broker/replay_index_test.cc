#include "broker/replay_index.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "broker/side_table.h"
#include "storage/memory_side_index.h"

namespace sluice::broker {
namespace {

using storage::MemorySideIndex;

const storage::SubscriptionKey kOwner{};

SideKey key_of(SideTag tag, std::uint64_t a, std::uint64_t b) {
  return SideKey(kOwner).u8(static_cast<std::uint8_t>(tag)).u64(a).u64(b);
}

std::vector<std::pair<std::vector<std::byte>, std::vector<std::byte>>> content(
    MemorySideIndex& index) {
  std::vector<std::pair<std::vector<std::byte>, std::vector<std::byte>>> entries;
  const std::byte zero{0};
  std::vector<std::byte> from{zero};
  while (const auto entry = index.at_or_after(from)) {
    from.assign(entry->key.begin(), entry->key.end());
    entries.emplace_back(from, std::vector<std::byte>(entry->value.begin(), entry->value.end()));
    from.push_back(zero);
  }
  return entries;
}

TEST(ReplayIndexTest, what_is_collected_comes_to_the_same) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    base::Prng prng(seed);
    MemorySideIndex at_once;
    MemorySideIndex behind;
    ReplayIndex index(behind);
    for (int step = 0; step < 2'000; ++step) {
      const auto tag = static_cast<SideTag>(1 + prng.below(10));
      const SideKey key = key_of(tag, prng.below(20), prng.below(5));
      if (prng.chance(0.4)) {
        at_once.erase(key.view());
        index.erase(key.view());
      } else if (prng.chance(0.001)) {
        const SideKey owner(kOwner);
        at_once.erase_range(owner.view(), owner.behind().view(), 10);
        index.erase_range(owner.view(), owner.behind().view(), 10);
      } else {
        const std::vector<std::byte> value(prng.below(9), std::byte(prng.below(256)));
        at_once.put(key.view(), value);
        index.put(key.view(), value);
      }
      if (!prng.chance(0.005)) continue;
      const auto found = index.find(key.view());
      const auto expected = at_once.find(key.view());
      ASSERT_EQ(found.has_value(), expected.has_value());
    }
    index.end_replay();
    ASSERT_EQ(content(behind), content(at_once)) << "seed " << seed;
  }
}

TEST(ReplayIndexTest, changes_in_the_order_of_time_wait_for_the_end_of_the_replay) {
  MemorySideIndex behind;
  ReplayIndex index(behind);
  index.put(key_of(SideTag::kDelays, 1, 0).view(), {});
  EXPECT_EQ(behind.size(), 1U);
  index.put(key_of(SideTag::kDelaysByTime, 5, 1).view(), {});
  index.put(key_of(SideTag::kRetriesByDue, 5, 1).view(), {});
  index.put(key_of(SideTag::kExpiryByTime, 5, 1).view(), {});
  EXPECT_EQ(behind.size(), 1U);
  index.end_replay();
  EXPECT_EQ(behind.size(), 4U);
  index.put(key_of(SideTag::kDelaysByTime, 6, 1).view(), {});
  EXPECT_EQ(behind.size(), 5U);
}

TEST(ReplayIndexTest, a_reader_sees_what_is_collected) {
  MemorySideIndex behind;
  ReplayIndex index(behind);
  const SideKey key = key_of(SideTag::kDelaysByTime, 5, 1);
  index.put(key.view(), {});
  EXPECT_TRUE(index.at_or_after(key_of(SideTag::kDelaysByTime, 0, 0).view()).has_value());
  index.erase(key.view());
  EXPECT_FALSE(index.find(key.view()).has_value());
}

}  // namespace
}  // namespace sluice::broker
