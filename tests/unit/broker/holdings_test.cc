#include "broker/holdings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "base/prng.h"

namespace sluice::broker {
namespace {

using base::Epoch;
using base::Sequence;
using base::SequenceRange;

// Who holds each message.
using Holders = std::map<std::uint64_t, std::uint64_t>;

Ranges draw_ranges(base::Prng& prng, std::uint64_t end) {
  Ranges ranges;
  const std::uint64_t step = 1 + prng.below(6);
  for (std::uint64_t at = 1 + prng.below(end); at < end; at += 2 + prng.below(step)) {
    const std::uint64_t last = at + prng.below(step);
    ranges.push_back({Sequence(at), Sequence(last)});
    at = last;
    if (prng.chance(0.05)) break;
  }
  return ranges;
}

Ranges without_held(const Ranges& ranges, const Holders& holders) {
  Ranges free;
  for (const SequenceRange& range : ranges) {
    for (Sequence at = range.first; at <= range.last; ++at) {
      if (!holders.contains(at.value())) append_range(free, {at, at});
    }
  }
  return free;
}

// What `holdings` says of each batch against what `holders` knows.
void expect_batches(const Holdings& holdings, const Holders& holders, const Ranges& wanted,
                    std::uint64_t batches) {
  for (std::uint64_t epoch = 1; epoch <= batches; ++epoch) {
    Ranges expected;
    std::uint64_t messages = 0;
    Ranges held;
    for (const SequenceRange& range : wanted) {
      for (Sequence at = range.first; at <= range.last; ++at) {
        const auto found = holders.find(at.value());
        if (found == holders.end() || found->second != epoch) continue;
        append_range(expected, {at, at});
        ++messages;
      }
      holdings.append_held(Epoch(epoch), range, range.count(), held);
    }
    ASSERT_EQ(held, expected) << "epoch " << epoch;
    const bool holds_all = messages == count_messages(wanted);
    if (!holds_all) {
      ASSERT_FALSE(holdings.surely_holds(Epoch(epoch), wanted));
    } else if (wanted.size() == 1) {
      Ranges first;
      ASSERT_EQ(holdings.append_held(Epoch(epoch), wanted.front(), 1, first), 1U);
      ASSERT_EQ(first, (Ranges{{wanted.front().first, wanted.front().first}}));
    }
  }
}

TEST(HoldingsTest, every_message_is_its_batchs_until_it_is_taken) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    base::Prng prng(seed);
    Holdings holdings;
    Holders holders;
    for (std::uint64_t step = 1; step <= 200; ++step) {
      if (prng.chance(0.5)) {
        const Ranges free = without_held(draw_ranges(prng, 300), holders);
        if (free.empty()) continue;
        holdings.add(Epoch(step), free);
        for (const SequenceRange& range : free) {
          for (Sequence at = range.first; at <= range.last; ++at) holders[at.value()] = step;
        }
        continue;
      }
      const Ranges wanted = draw_ranges(prng, 300);
      Holders taken;
      Sequence before;
      holdings.take(wanted, [&](Epoch epoch, const Ranges& parts) {
        ASSERT_FALSE(parts.empty());
        for (const SequenceRange& part : parts) {
          ASSERT_LT(before, part.first);
          before = part.last;
          for (Sequence at = part.first; at <= part.last; ++at) taken[at.value()] = epoch.value();
        }
      });
      Holders expected;
      for (const SequenceRange& range : wanted) {
        for (Sequence at = range.first; at <= range.last; ++at) {
          if (const auto found = holders.find(at.value()); found != holders.end()) {
            expected.insert(*found);
            holders.erase(found);
          }
        }
      }
      ASSERT_EQ(taken, expected) << "step " << step;
      ASSERT_EQ(holdings.messages().count(), holders.size());
      ASSERT_EQ(holdings.empty(), holders.empty());
      if (step % 10 == 0) expect_batches(holdings, holders, draw_ranges(prng, 300), step);
    }
  }
}

TEST(HoldingsTest, a_batch_surely_holds_what_it_was_lent) {
  const Ranges lent{
      {Sequence(1), Sequence(1)}, {Sequence(3), Sequence(5)}, {Sequence(9), Sequence(9)}};
  Holdings holdings;
  holdings.add(Epoch(1), lent);
  holdings.add(Epoch(2), Ranges{{Sequence(7), Sequence(7)}});
  EXPECT_TRUE(holdings.surely_holds(Epoch(1), lent));
  EXPECT_TRUE(holdings.surely_holds(Epoch(1), Ranges{{Sequence(4), Sequence(4)}}));
  EXPECT_FALSE(holdings.surely_holds(Epoch(2), lent));
  EXPECT_FALSE(holdings.surely_holds(Epoch(1), Ranges{{Sequence(7), Sequence(7)}}));
  EXPECT_FALSE(holdings.surely_holds(Epoch(1), Ranges{{Sequence(2), Sequence(3)}}));
  EXPECT_FALSE(holdings.surely_holds(Epoch(1), Ranges{{Sequence(20), Sequence(20)}}));
}

TEST(HoldingsTest, what_a_batch_holds_lies_however_far_apart) {
  const Ranges far{{Sequence(1), Sequence(1)},
                   {Sequence(5'000), Sequence(5'001)},
                   {Sequence(9'000'000), Sequence(9'000'000)}};
  Holdings holdings;
  holdings.add(Epoch(7), far);
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    holdings.add(Epoch(100 + i), Ranges{{Sequence(2 + 2 * i), Sequence(2 + 2 * i)}});
  }
  const SequenceRange all{Sequence(0), Sequence(10'000'000)};
  Ranges held;
  EXPECT_EQ(holdings.append_held(Epoch(7), all, 100, held), 4U);
  EXPECT_EQ(held, far);
  EXPECT_TRUE(holdings.surely_holds(Epoch(7), far));
  holdings.take(Ranges{{Sequence(2), Sequence(5'000)}}, [](Epoch, const Ranges&) {});
  held.clear();
  EXPECT_EQ(holdings.append_held(Epoch(7), all, 2, held), 2U);
  EXPECT_EQ(held, (Ranges{{Sequence(1), Sequence(1)}, {Sequence(5'001), Sequence(5'001)}}));
}

TEST(HoldingsTest, ranges_are_cut_out_of_ranges) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    base::Prng prng(seed);
    Ranges one_by_one = draw_ranges(prng, 200);
    normalise(one_by_one);
    Ranges at_once = one_by_one;
    const Ranges out = draw_ranges(prng, 200);
    std::uint64_t removed = 0;
    for (const SequenceRange& range : out) removed += cut_range(one_by_one, range);
    ASSERT_EQ(cut_ranges(at_once, out), removed) << "seed " << seed;
    ASSERT_EQ(at_once, one_by_one) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice::broker
