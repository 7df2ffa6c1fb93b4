#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "storage/sequence_set.h"
#include "tests/support/thinning.h"

namespace sluice::storage {
namespace {

using base::Prng;
using base::Sequence;
using Range = base::SequenceRange;

constexpr std::uint64_t kContainerSize = SequenceContainer::kSize;

// Ascending and disjoint; some touch, some span containers.
std::vector<Range> draw(Prng& prng, std::uint64_t begin, std::uint64_t end, std::uint64_t step) {
  std::vector<Range> ranges;
  for (std::uint64_t at = begin + prng.below(step); at < end;) {
    const bool is_long = prng.chance(0.0005);
    const std::uint64_t last = at + prng.below(is_long ? 3 * kContainerSize : step);
    ranges.push_back({Sequence(at), Sequence(last)});
    at = last + 1 + prng.below(step);
  }
  return ranges;
}

std::vector<std::byte> serialized(const SequenceSet& set) {
  std::vector<std::byte> bytes;
  set.serialize(bytes);
  return bytes;
}

TEST(SequenceSetBulkTest, many_ranges_at_once_are_the_same_as_one_by_one) {
  for (std::uint64_t seed = 1; seed <= 40 / sluice::test::kThinning; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    SequenceSet bulk;
    SequenceSet single;
    if (prng.chance(0.7)) {
      bulk.insert(Sequence(0));
      single.insert(Sequence(0));
    }
    for (int round = 0; round < 60; ++round) {
      const std::uint64_t step = prng.chance(0.5) ? 2 : 1 + prng.below(40);
      const std::uint64_t begin = prng.below(5) == 0 ? 1 : prng.below(4 * kContainerSize);
      const auto ranges = draw(prng, begin, begin + prng.below(kContainerSize), step);
      const bool adds = prng.chance(0.55);
      std::uint64_t changed = 0;
      bool any = false;
      bool all = true;
      for (const Range& range : ranges) {
        any = any || single.contains_any(range);
        all = all && single.contains_all(range);
        changed += adds ? single.insert(range) : single.erase(range);
      }
      ASSERT_EQ(bulk.contains_any(ranges), any) << "round " << round;
      ASSERT_EQ(bulk.contains_all(ranges), all) << "round " << round;
      ASSERT_EQ(adds ? bulk.insert(ranges) : bulk.erase(ranges), changed) << "round " << round;
      ASSERT_TRUE(bulk == single) << "round " << round;
      ASSERT_EQ(bulk.count(), single.count());
      ASSERT_EQ(bulk.contains_all(ranges), adds || ranges.empty()) << "round " << round;
      ASSERT_EQ(serialized(bulk), serialized(single)) << "round " << round;
    }
  }
}

TEST(SequenceSetBulkTest, listed_gaps_are_those_of_the_walk) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    SequenceSet set;
    for (int i = 0; i < 6; ++i) {
      const std::uint64_t begin = prng.below(5 * kContainerSize);
      set.insert(draw(prng, begin, begin + prng.below(kContainerSize), 1 + prng.below(9)));
    }
    if (prng.chance(0.3)) set.insert({Sequence(0), Sequence(prng.below(kContainerSize))});
    for (int look = 0; look < 50; ++look) {
      const std::uint64_t first = prng.below(6 * kContainerSize);
      const Range within{Sequence(first), Sequence(first + prng.below(2 * kContainerSize))};
      const std::size_t runs_max = 1 + prng.below(300);
      std::vector<Range> expected;
      set.for_each_gap(within.first, within.last, [&](Range gap) {
        expected.push_back(gap);
        return expected.size() < runs_max;
      });
      std::vector<Range> gaps{{Sequence(1), Sequence(1)}};  // it appends
      ASSERT_EQ(set.list_gaps(within, runs_max, gaps), expected.size());
      gaps.erase(gaps.begin());
      ASSERT_EQ(gaps, expected);
    }
  }
}

TEST(SequenceSetBulkTest, gaps_over_several_words_of_a_bitmap_are_listed_whole) {
  SequenceSet set;
  std::vector<Range> odd;
  for (std::uint64_t at = 1; at < kContainerSize; at += 2)
    odd.push_back({Sequence(at), Sequence(at)});
  set.insert(odd);
  // Within a word, a word and its neighbours' ends, whole words, up to the end of the container.
  set.erase({Sequence(70), Sequence(80)});
  set.erase({Sequence(191), Sequence(256)});
  set.erase({Sequence(640), Sequence(960)});
  set.erase({Sequence(kContainerSize - 200), Sequence(kContainerSize - 1)});
  const auto gaps = [&](std::uint64_t first, std::uint64_t last, std::size_t runs_max = 1'000'000) {
    std::vector<Range> listed;
    set.list_gaps({Sequence(first), Sequence(last)}, runs_max, listed);
    return listed;
  };
  const auto walked = [&](std::uint64_t first, std::uint64_t last) {
    std::vector<Range> expected;
    set.for_each_gap(Sequence(first), Sequence(last), [&](Range gap) {
      expected.push_back(gap);
      return true;
    });
    return expected;
  };
  EXPECT_EQ(gaps(0, kContainerSize + 9), walked(0, kContainerSize + 9));
  for (std::uint64_t first = 60; first < 330; ++first) {
    for (const std::uint64_t length : {1U, 2U, 11U, 63U, 64U, 65U, 130U, 700U}) {
      ASSERT_EQ(gaps(first, first + length - 1), walked(first, first + length - 1))
          << first << " " << length;
    }
  }
  EXPECT_EQ(gaps(650, 700), (std::vector<Range>{{Sequence(650), Sequence(700)}}));
  EXPECT_EQ(gaps(190, 300, 1), (std::vector<Range>{{Sequence(190), Sequence(256)}}));
}

TEST(SequenceSetBulkTest, a_row_of_single_ones_lifts_the_floor_once) {
  SequenceSet set;
  set.insert({Sequence(0), Sequence(9)});
  std::vector<Range> odd;
  for (std::uint64_t at = 11; at < 3 * kContainerSize; at += 2)
    odd.push_back({Sequence(at), Sequence(at)});
  std::vector<Range> even;
  for (std::uint64_t at = 10; at < 3 * kContainerSize; at += 2) {
    even.push_back({Sequence(at), Sequence(at)});
  }
  EXPECT_EQ(set.insert(odd), odd.size());
  EXPECT_EQ(set.floor(), Sequence(10));
  EXPECT_EQ(set.insert(even), even.size());
  EXPECT_EQ(set.floor(), Sequence(3 * kContainerSize));
  EXPECT_EQ(set.count_above_floor(), 0U);
}

}  // namespace
}  // namespace sluice::storage
