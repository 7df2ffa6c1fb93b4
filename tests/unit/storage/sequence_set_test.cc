#include "storage/sequence_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "base/prng.h"
#include "tests/support/status_matchers.h"

namespace sluice::storage {
namespace {

using base::ByteReader;
using base::ErrorCode;
using base::Prng;
using base::Sequence;
using Range = SequenceSet::Range;
using sluice::test::HasCode;

constexpr std::uint64_t kContainer = SequenceContainer::kSize;

Range range(std::uint64_t first, std::uint64_t last) { return {Sequence(first), Sequence(last)}; }

std::vector<std::byte> bytes_of(const SequenceSet& set) {
  std::vector<std::byte> bytes;
  set.serialize(bytes);
  return bytes;
}

std::vector<Range> runs_of(const SequenceSet& set) {
  std::vector<Range> runs;
  set.for_each_range(Sequence(0), Sequence(std::numeric_limits<std::uint64_t>::max()),
                     [&runs](Range run) {
                       runs.push_back(run);
                       return true;
                     });
  return runs;
}

SequenceSet round_trip(const SequenceSet& set) {
  const std::vector<std::byte> bytes = bytes_of(set);
  ByteReader reader(bytes);
  base::Result<SequenceSet> copy = SequenceSet::deserialize(reader);
  EXPECT_THAT(copy, sluice::test::IsOk());
  EXPECT_TRUE(reader.at_end());
  return copy.has_value() ? *copy : SequenceSet();
}

TEST(SequenceSetTest, a_new_set_is_empty) {
  const SequenceSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.count(), 0U);
  EXPECT_EQ(set.floor(), Sequence(0));
  EXPECT_EQ(set.last(), std::nullopt);
  EXPECT_EQ(set.next_in(Sequence(0)), std::nullopt);
  EXPECT_EQ(set.next_not_in(Sequence(7)), Sequence(7));
  EXPECT_FALSE(set.contains(Sequence(0)));
}

TEST(SequenceSetTest, insert_and_erase_tell_how_much_they_changed) {
  SequenceSet set;
  EXPECT_EQ(set.insert(range(10, 19)), 10U);
  EXPECT_EQ(set.insert(range(15, 24)), 5U);
  EXPECT_EQ(set.insert(Sequence(12)), 0U);
  EXPECT_EQ(set.erase(range(0, 11)), 2U);
  EXPECT_EQ(set.erase(range(14, 15)), 2U);
  EXPECT_EQ(set.erase(range(100, 200)), 0U);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(12, 13), range(16, 24)}));
  EXPECT_EQ(set.count(), 11U);
  EXPECT_EQ(set.last(), Sequence(24));
}

TEST(SequenceSetTest, the_floor_swallows_what_touches_it) {
  SequenceSet set;
  set.insert(Sequence(0));
  EXPECT_EQ(set.floor(), Sequence(1));
  set.insert(range(5, 9));
  EXPECT_EQ(set.floor(), Sequence(1));
  EXPECT_EQ(set.count_above_floor(), 5U);
  EXPECT_EQ(set.insert(range(1, 4)), 4U);
  EXPECT_EQ(set.floor(), Sequence(10));
  EXPECT_EQ(set.count(), 10U);
  EXPECT_EQ(set.count_above_floor(), 0U);
}

TEST(SequenceSetTest, settling_in_order_costs_no_memory) {
  SequenceSet set;
  const std::size_t bytes = set.memory_bytes();
  for (std::uint64_t i = 0; i < 300'000; ++i) ASSERT_EQ(set.insert(Sequence(i)), 1U);
  EXPECT_EQ(set.floor(), Sequence(300'000));
  EXPECT_EQ(set.memory_bytes(), bytes);
}

TEST(SequenceSetTest, erasing_below_the_floor_lowers_it) {
  SequenceSet set;
  set.insert(range(0, 999'999));
  EXPECT_EQ(set.erase(range(500, 502)), 3U);
  EXPECT_EQ(set.floor(), Sequence(500));
  EXPECT_EQ(set.count(), 999'997U);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(0, 499), range(503, 999'999)}));
  EXPECT_EQ(set.insert(range(500, 502)), 3U);
  EXPECT_EQ(set.floor(), Sequence(1'000'000));
  EXPECT_EQ(set.count_above_floor(), 0U);
}

TEST(SequenceSetTest, erasing_across_the_floor_counts_both_sides) {
  SequenceSet set;
  set.insert(range(0, 99));
  set.insert(range(200, 299));
  EXPECT_EQ(set.erase(range(50, 249)), 100U);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(0, 49), range(250, 299)}));
  EXPECT_EQ(set.floor(), Sequence(50));
}

TEST(SequenceSetTest, one_missing_message_below_a_trillion_costs_little) {
  SequenceSet set;
  set.insert(range(0, 4));
  set.insert(range(6, 1'000'000'000'000));
  EXPECT_LT(set.memory_bytes(), 2'000U);
  EXPECT_EQ(set.next_not_in(Sequence(6)), Sequence(1'000'000'000'001));
  set.erase(Sequence(500'000'000'000));
  EXPECT_LT(set.memory_bytes(), 2'000U);
  set.insert(Sequence(5));
  EXPECT_EQ(set.floor(), Sequence(500'000'000'000));
}

TEST(SequenceSetTest, scattered_elements_cost_at_most_a_bitmap) {
  SequenceSet set;
  for (std::uint64_t i = kContainer; i < 2 * kContainer; i += 2) set.insert(Sequence(i));
  EXPECT_LT(set.memory_bytes(), 8'192U + 1'000U);
  EXPECT_EQ(set.count(), kContainer / 2);
  EXPECT_TRUE(set.contains(Sequence(kContainer + 4)));
  EXPECT_FALSE(set.contains(Sequence(kContainer + 5)));
  // And back to a run list, when enough of them have become one run.
  set.insert(range(kContainer + 100, 2 * kContainer - 100));
  EXPECT_LT(set.memory_bytes(), 2'000U);
  EXPECT_EQ(set.next_not_in(Sequence(kContainer + 100)), Sequence(2 * kContainer - 99));
}

TEST(SequenceSetTest, a_full_container_joins_the_full_ones_beside_it) {
  SequenceSet set;
  set.insert(range(kContainer, 2 * kContainer - 1));
  set.insert(range(3 * kContainer, 4 * kContainer - 1));
  const std::size_t bytes = bytes_of(set).size();
  set.insert(range(2 * kContainer, 3 * kContainer - 2));
  set.insert(Sequence(3 * kContainer - 1));
  EXPECT_LT(bytes_of(set).size(), bytes);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(kContainer, 4 * kContainer - 1)}));
}

TEST(SequenceSetTest, whole_containers_are_cut_out_of_a_full_stretch) {
  SequenceSet set;
  set.insert(range(kContainer, 10 * kContainer - 1));
  EXPECT_EQ(set.erase(range(4 * kContainer, 6 * kContainer - 1)), 2 * kContainer);
  EXPECT_EQ(set.erase(range(8 * kContainer, 12 * kContainer)), 2 * kContainer);
  EXPECT_EQ(set.erase(range(0, 2 * kContainer - 1)), kContainer);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(2 * kContainer, 4 * kContainer - 1),
                                              range(6 * kContainer, 8 * kContainer - 1)}));
  EXPECT_EQ(set.count(), 4 * kContainer);
  EXPECT_EQ(set.insert(range(3 * kContainer, 7 * kContainer - 1)), 2 * kContainer);
  EXPECT_EQ(runs_of(set), (std::vector<Range>{range(2 * kContainer, 8 * kContainer - 1)}));
}

TEST(SequenceSetTest, what_returns_below_what_was_popped_is_next) {
  SequenceSet set;
  for (std::uint64_t i = kContainer; i < 2 * kContainer; i += 2) set.insert(Sequence(i));
  for (int i = 0; i < 1'000; ++i) set.pop_front(1);
  EXPECT_EQ(set.next_in(Sequence(0)), Sequence(kContainer + 2'000));
  set.insert(Sequence(kContainer + 77));
  EXPECT_EQ(set.pop_front(5), range(kContainer + 77, kContainer + 77));
  EXPECT_EQ(set.pop_front(5), range(kContainer + 2'000, kContainer + 2'000));
}

TEST(SequenceSetTest, runs_and_gaps_go_across_containers) {
  SequenceSet set;
  set.insert(range(kContainer - 2, 3 * kContainer + 1));
  set.insert(range(5 * kContainer, 5 * kContainer));
  EXPECT_EQ(set.next_range(range(0, kContainer)), range(kContainer - 2, kContainer));
  EXPECT_EQ(set.next_gap(range(kContainer, 4 * kContainer)),
            range(3 * kContainer + 2, 4 * kContainer));
  std::vector<Range> gaps;
  set.for_each_gap(Sequence(kContainer), Sequence(6 * kContainer), [&gaps](Range gap) {
    gaps.push_back(gap);
    return true;
  });
  EXPECT_EQ(gaps, (std::vector<Range>{range(3 * kContainer + 2, 5 * kContainer - 1),
                                      range(5 * kContainer + 1, 6 * kContainer)}));
}

TEST(SequenceSetTest, a_walk_ends_when_it_is_told_to) {
  SequenceSet set;
  for (std::uint64_t i = 1; i < 100; i += 2) set.insert(Sequence(i));
  int seen = 0;
  set.for_each_range(Sequence(0), Sequence(100), [&seen](Range) { return ++seen < 3; });
  EXPECT_EQ(seen, 3);
}

TEST(SequenceSetTest, queries_below_the_floor_are_answered_from_it) {
  SequenceSet set;
  set.insert(range(0, 99));
  set.insert(range(110, 119));
  EXPECT_TRUE(set.contains_all(range(3, 99)));
  EXPECT_FALSE(set.contains_all(range(3, 100)));
  EXPECT_TRUE(set.contains_any(range(99, 105)));
  EXPECT_FALSE(set.contains_any(range(100, 109)));
  EXPECT_EQ(set.count_in(range(90, 114)), 15U);
  EXPECT_EQ(set.next_not_in(Sequence(5)), Sequence(100));
  EXPECT_EQ(set.next_in(Sequence(5)), Sequence(5));
}

TEST(SequenceSetTest, pop_front_takes_the_lowest_run_up_to_a_count) {
  SequenceSet set;
  set.insert(range(10, 14));
  set.insert(range(20, 29));
  EXPECT_EQ(set.pop_front(0), std::nullopt);
  EXPECT_EQ(set.pop_front(3), range(10, 12));
  EXPECT_EQ(set.pop_front(100), range(13, 14));
  EXPECT_EQ(set.pop_front(100), range(20, 29));
  EXPECT_EQ(set.pop_front(1), std::nullopt);
  EXPECT_TRUE(set.empty());
}

TEST(SequenceSetTest, pop_front_takes_several_runs_at_once) {
  SequenceSet set;
  for (std::uint64_t i = 10; i < 100; i += 10) set.insert(range(i, i + 3));
  std::vector<Range> runs = {range(1, 1)};
  EXPECT_EQ(set.pop_front(10, 100, runs), 10U);
  EXPECT_EQ(runs, (std::vector<Range>{range(1, 1), range(10, 13), range(20, 23), range(30, 31)}));
  EXPECT_EQ(set.pop_front(100, 2, runs), 6U);
  EXPECT_EQ(set.next_in(Sequence(0)), Sequence(50));
  EXPECT_EQ(set.pop_front(0, 2, runs), 0U);
  EXPECT_EQ(set.pop_front(5, 0, runs), 0U);
}

TEST(SequenceSetTest, the_last_sequences_of_all_are_no_special_case) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max() - 1;
  SequenceSet set;
  EXPECT_EQ(set.insert(range(1, kLast)), kLast);
  EXPECT_EQ(set.next_not_in(Sequence(1)), Sequence(kLast + 1));
  EXPECT_EQ(set.count_in(range(0, kLast + 1)), kLast);
  EXPECT_EQ(round_trip(set), set);
  EXPECT_EQ(set.insert(Sequence(0)), 1U);
  EXPECT_EQ(set.floor(), Sequence(kLast + 1));
  EXPECT_EQ(round_trip(set), set);
  EXPECT_EQ(set.erase(range(0, kLast)), kLast + 1);
  EXPECT_TRUE(set.empty());
}

TEST(SequenceSetDeathTest, a_range_that_ends_before_it_begins_is_a_bug) {
  SequenceSet set;
  EXPECT_DEATH(set.insert(range(2, 1)), "CHECK");
  EXPECT_DEATH(set.erase(range(2, 1)), "CHECK");
}

// The same operations on the set and on one flag per number.
class Twin {
 public:
  explicit Twin(std::uint64_t size) : flags_(size) {}

  void insert(Range span) {
    std::uint64_t added = 0;
    for (std::uint64_t i = span.first.value(); i <= span.last.value(); ++i) {
      added += 1U - flags_[i];
      flags_[i] = 1;
    }
    ASSERT_EQ(set_.insert(span), added);
  }
  void erase(Range span) {
    std::uint64_t removed = 0;
    for (std::uint64_t i = span.first.value(); i <= span.last.value(); ++i) {
      removed += flags_[i];
      flags_[i] = 0;
    }
    ASSERT_EQ(set_.erase(span), removed);
  }
  void pop(std::uint64_t count_max, std::size_t runs_max) {
    std::vector<Range> expected;
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; i < flags_.size() && taken < count_max; ++i) {
      if (flags_[i] == 0) continue;
      if (!expected.empty() && expected.back().last.value() + 1 == i) {
        ++expected.back().last;
      } else {
        if (expected.size() == runs_max) break;
        expected.push_back(range(i, i));
      }
      flags_[i] = 0;
      ++taken;
    }
    std::vector<Range> runs;
    ASSERT_EQ(set_.pop_front(count_max, runs_max, runs), taken);
    ASSERT_EQ(runs, expected);
  }
  void look(Range span) const {
    const auto begin = flags_.begin() + static_cast<std::ptrdiff_t>(span.first.value());
    const auto end = flags_.begin() + static_cast<std::ptrdiff_t>(span.last.value()) + 1;
    const auto count = static_cast<std::uint64_t>(std::count(begin, end, 1));
    ASSERT_EQ(set_.count_in(span), count);
    ASSERT_EQ(set_.contains_all(span), count == span.count());
    ASSERT_EQ(set_.contains_any(span), count > 0);
    ASSERT_EQ(set_.contains(span.first), *begin == 1);
    const auto next_in = std::find(begin, flags_.end(), 1);
    const auto next_not_in = std::find(begin, flags_.end(), 0);
    const auto index = [this](auto it) {
      return Sequence(static_cast<std::uint64_t>(it - flags_.begin()));
    };
    ASSERT_EQ(set_.next_in(span.first).value_or(Sequence(flags_.size())), index(next_in));
    ASSERT_EQ(set_.next_not_in(span.first), index(next_not_in));
    compare_walk(span);
  }
  void compare_walk(Range span) const {
    std::vector<std::uint8_t> seen(flags_.size());
    Range before{Sequence(0), Sequence(0)};
    set_.for_each_range(span.first, span.last, [&](Range run) {
      EXPECT_TRUE(before.last == Sequence(0) || run.first > before.last + 1);
      before = run;
      for (std::uint64_t i = run.first.value(); i <= run.last.value(); ++i) seen[i] = 1;
      return true;
    });
    set_.for_each_gap(span.first, span.last, [&](Range gap) {
      for (std::uint64_t i = gap.first.value(); i <= gap.last.value(); ++i) {
        EXPECT_EQ(seen[i], 0);
        seen[i] = flags_[i];  // stays wrong if a gap holds an element
        EXPECT_EQ(seen[i], 0);
      }
      return true;
    });
    const auto at = static_cast<std::ptrdiff_t>(span.first.value());
    const auto end = static_cast<std::ptrdiff_t>(span.last.value()) + 1;
    ASSERT_TRUE(std::equal(flags_.begin() + at, flags_.begin() + end, seen.begin() + at));
  }
  // Another history with the same result must be the same set, byte for byte.
  void compare_rebuilt() const {
    SequenceSet rebuilt;
    std::vector<Range> runs = runs_of(set_);
    std::reverse(runs.begin(), runs.end());
    for (const Range run : runs) rebuilt.insert(run);
    ASSERT_EQ(bytes_of(rebuilt), bytes_of(set_));
    ASSERT_TRUE(rebuilt == set_);
    ASSERT_TRUE(round_trip(set_) == set_);
    const auto count = static_cast<std::uint64_t>(std::count(flags_.begin(), flags_.end(), 1));
    ASSERT_EQ(set_.count(), count);
    const auto floor = std::find(flags_.begin(), flags_.end(), 0) - flags_.begin();
    ASSERT_EQ(set_.floor(), Sequence(static_cast<std::uint64_t>(floor)));
    ASSERT_EQ(set_.last(), runs.empty() ? std::nullopt : std::optional(runs.front().last));
  }

 private:
  SequenceSet set_;
  std::vector<std::uint8_t> flags_;
};

struct Mix {
  const char* name;
  std::uint64_t length_max;  // of a short range
  double long_ranges;
  double inserts;
  double pops;
};

class SequenceSetProperty : public testing::TestWithParam<Mix> {};

TEST_P(SequenceSetProperty, it_equals_one_flag_per_number) {
  const Mix& mix = GetParam();
  constexpr std::uint64_t kSize = 3 * kContainer + 77;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed, mix.name);
    Twin twin(kSize);
    for (int step = 0; step < 2'000; ++step) {
      const bool is_long = prng.chance(mix.long_ranges);
      const std::uint64_t first =
          prng.chance(0.3) ? prng.below(4) * kContainer + prng.below(3) : prng.below(kSize - 2);
      const std::uint64_t length = prng.below(is_long ? kSize : mix.length_max) + 1;
      const Range span = range(first, std::min(first + length, kSize - 1) - 1);
      if (span.first > span.last) continue;
      const double draw = prng.unit();
      if (draw < mix.pops) {
        ASSERT_NO_FATAL_FAILURE(twin.pop(prng.below(300), prng.below(20)));
      } else if (draw < mix.pops + mix.inserts) {
        ASSERT_NO_FATAL_FAILURE(twin.insert(span));
      } else {
        ASSERT_NO_FATAL_FAILURE(twin.erase(span));
      }
      if (step % 50 == 0) {
        ASSERT_NO_FATAL_FAILURE(twin.look(span));
      }
      if (step % 500 == 0) {
        ASSERT_NO_FATAL_FAILURE(twin.compare_rebuilt());
      }
    }
    ASSERT_NO_FATAL_FAILURE(twin.compare_rebuilt());
  }
}

INSTANTIATE_TEST_SUITE_P(All, SequenceSetProperty,
                         testing::Values(Mix{"singles", 1, 0, 0.7, 0.01},
                                         Mix{"runs", 300, 0.002, 0.55, 0.02},
                                         Mix{"long_runs", 5'000, 0.05, 0.5, 0.02},
                                         Mix{"nearly_full", 40, 0.03, 0.85, 0.0},
                                         Mix{"nearly_empty", 2, 0.005, 0.3, 0.1}),
                         [](const auto& mix) { return std::string(mix.param.name); });

TEST(SequenceSetPropertyTest, one_busy_container_equals_a_std_set) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    SequenceSet set;
    std::set<std::uint64_t> reference;
    double insert_chance = 0.9;
    for (int step = 0; step < 60'000; ++step) {
      // To and fro across the size where run list and bitmap change places.
      if (step % 15'000 == 0) insert_chance = insert_chance > 0.5 ? 0.2 : 0.9;
      const std::uint64_t value = kContainer + prng.below(kContainer / 4);
      if (prng.chance(insert_chance)) {
        ASSERT_EQ(set.insert(Sequence(value)), reference.insert(value).second ? 1U : 0U);
      } else {
        ASSERT_EQ(set.erase(Sequence(value)), reference.erase(value));
      }
      if (step % 1'000 == 0) {
        SequenceSet rebuilt;
        for (const std::uint64_t element : reference) rebuilt.insert(Sequence(element));
        ASSERT_TRUE(rebuilt == set);
        ASSERT_EQ(bytes_of(rebuilt), bytes_of(set));
      }
    }
    ASSERT_TRUE(round_trip(set) == set);
  }
}

// --- Serialized bytes that somebody else wrote.

struct Bytes {
  std::vector<std::byte> data;
  base::ByteWriter writer{data};

  base::Result<SequenceSet> read() {
    ByteReader reader(data);
    return SequenceSet::deserialize(reader);
  }
  void head(std::uint64_t floor, std::uint32_t entries) {
    writer.u64(floor);
    writer.u32(entries);
  }
  void full(std::uint64_t key, std::uint64_t containers) {
    writer.u64(key);
    writer.u8(1);
    writer.u64(containers);
  }
  void part(std::uint64_t key, const std::vector<std::pair<int, int>>& runs) {
    writer.u64(key);
    writer.u8(2);
    writer.u16(static_cast<std::uint16_t>(runs.size()));
    for (const auto& [first, last] : runs) {
      writer.u16(static_cast<std::uint16_t>(first));
      writer.u16(static_cast<std::uint16_t>(last));
    }
  }
};

SequenceSet mixed_set() {
  SequenceSet set;
  set.insert(range(0, 100));
  set.insert(range(200, 300));
  set.insert(range(kContainer, 9 * kContainer + 5));
  for (std::uint64_t i = 12 * kContainer; i < 13 * kContainer; i += 3) set.insert(Sequence(i));
  return set;
}

TEST(SequenceSetBytesTest, a_set_is_read_back_from_the_middle_of_other_bytes) {
  const SequenceSet set = mixed_set();
  std::vector<std::byte> bytes = bytes_of(set);
  bytes.push_back(std::byte{42});
  ByteReader reader(bytes);
  const base::Result<SequenceSet> copy = SequenceSet::deserialize(reader);
  ASSERT_THAT(copy, sluice::test::IsOk());
  EXPECT_TRUE(*copy == set);
  EXPECT_EQ(reader.u8(), 42);
}

TEST(SequenceSetBytesTest, every_cut_is_corruption) {
  const std::vector<std::byte> bytes = bytes_of(mixed_set());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    ByteReader reader(base::ByteView(bytes).first(length));
    ASSERT_THAT(SequenceSet::deserialize(reader), HasCode(ErrorCode::kCorruption)) << length;
  }
}

TEST(SequenceSetBytesTest, what_serialize_never_writes_is_corruption) {
  const auto refuses = [](const char* what, auto fill) {
    Bytes bytes;
    fill(bytes);
    EXPECT_THAT(bytes.read(), HasCode(ErrorCode::kCorruption)) << what;
  };
  refuses("nothing", [](Bytes&) {});
  refuses("more entries than bytes", [](Bytes& b) { b.head(1, 0xFFFFFFFF); });
  refuses("unknown kind", [](Bytes& b) {
    b.head(1, 1);
    b.writer.u64(3);
    b.writer.u8(3);
    b.writer.u64(1);
  });
  refuses("full without containers", [](Bytes& b) { b.head(1, 1), b.full(2, 0); });
  refuses("full past the end", [](Bytes& b) { b.head(1, 1), b.full(1, ~std::uint64_t{0}); });
  refuses("key out of range", [](Bytes& b) { b.head(1, 1), b.part(1ULL << 48, {{1, 2}}); });
  refuses("the number that no set holds", [](Bytes& b) {
    b.head(1, 1), b.part((1ULL << 48) - 1, {{65'535, 65'535}});
  });
  refuses("below the floor", [](Bytes& b) { b.head(10, 1), b.part(0, {{9, 12}}); });
  refuses("at the floor", [](Bytes& b) { b.head(10, 1), b.part(0, {{10, 12}}); });
  refuses("full at the floor", [](Bytes& b) { b.head(kContainer, 1), b.full(1, 1); });
  refuses("no run", [](Bytes& b) { b.head(1, 1), b.part(1, {}); });
  refuses("run backwards", [](Bytes& b) { b.head(1, 1), b.part(1, {{5, 4}}); });
  refuses("runs touch", [](Bytes& b) { b.head(1, 1), b.part(1, {{1, 4}, {5, 6}}); });
  refuses("runs overlap", [](Bytes& b) { b.head(1, 1), b.part(1, {{1, 4}, {3, 6}}); });
  refuses("full written as a part", [](Bytes& b) { b.head(1, 1), b.part(1, {{0, 65'535}}); });
  refuses("same key twice", [](Bytes& b) {
    b.head(1, 2), b.part(1, {{1, 4}}), b.part(1, {{7, 8}});
  });
  refuses("keys backwards", [](Bytes& b) { b.head(1, 2), b.part(2, {{1, 4}}), b.full(1, 1); });
  refuses("full stretches touch", [](Bytes& b) { b.head(1, 2), b.full(1, 2), b.full(3, 1); });
  refuses("a bitmap that is shorter as a list", [](Bytes& b) {
    b.head(1, 1);
    b.writer.u64(1);
    b.writer.u8(2);
    b.writer.u16(0xFFFF);
    b.data.resize(b.data.size() + 8'192);
  });
}

TEST(SequenceSetBytesTest, mutated_bytes_are_refused_or_a_valid_set) {
  const std::vector<std::byte> original = bytes_of(mixed_set());
  Prng prng(4711);
  int accepted = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<std::byte> bytes = original;
    // Mostly in the heads: a change in the bitmap is nearly always valid.
    const std::uint64_t reach = prng.chance(0.8) ? 60 : bytes.size();
    for (std::uint64_t i = prng.below(4) + 1; i > 0; --i) {
      bytes[prng.below(reach)] = static_cast<std::byte>(prng.next());
    }
    ByteReader reader(bytes);
    base::Result<SequenceSet> set = SequenceSet::deserialize(reader);
    if (!set.has_value()) {
      ASSERT_EQ(set.error().code(), ErrorCode::kCorruption);
      continue;
    }
    ++accepted;
    ASSERT_TRUE(round_trip(*set) == *set);
    bytes.resize(reader.position());
    ASSERT_EQ(bytes_of(*set), bytes);
    set->insert(range(1, 100'000));
    set->erase(range(50, 13 * kContainer));
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace sluice::storage
