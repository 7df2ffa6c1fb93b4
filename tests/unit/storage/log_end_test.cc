#include "storage/log_end.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sluice::storage {
namespace {

using base::Lsn;
using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

constexpr Lsn kProven{1'000};
constexpr Lsn kLastGoodEnd{2'000};

BadRange bad(std::uint64_t begin, std::uint64_t end) { return {Lsn(begin), Lsn(end), "f", "r"}; }

BadRange record(std::uint64_t begin, std::uint64_t end) {
  BadRange range = bad(begin, end);
  range.is_record = true;
  return range;
}

Ranges corrupt(const LogEnd& log) {
  Ranges ranges;
  for (const CorruptRange& one : log.corrupt) {
    ranges.emplace_back(one.begin.value(), one.end.value());
  }
  return ranges;
}

TEST(LogEnd, IsBehindTheLastGoodRecord) {
  EXPECT_EQ(decide_log_end({}, kProven, kLastGoodEnd).end, kLastGoodEnd);
  EXPECT_EQ(decide_log_end({}, kProven, Lsn(500)).end, kProven);
}

TEST(LogEnd, WhatIsBadBelowTheProvenMarkIsCorruption) {
  const LogEnd log = decide_log_end({bad(100, 200), bad(900, 1'000)}, kProven, kLastGoodEnd);
  EXPECT_EQ(log.end, kLastGoodEnd);
  EXPECT_EQ(corrupt(log), Ranges({{100, 200}, {900, 1'000}}));
}

TEST(LogEnd, TheFirstBadRangeAtOrAboveItIsTheEnd) {
  const LogEnd log = decide_log_end({bad(1'000, 1'100), bad(1'500, 1'600)}, kProven, kLastGoodEnd);
  EXPECT_EQ(log.end, Lsn(1'000));
  EXPECT_EQ(corrupt(log), Ranges());
}

TEST(LogEnd, ARangeAcrossTheMarkEndsItThere) {
  const LogEnd log = decide_log_end({bad(900, 1'100)}, kProven, kLastGoodEnd);
  EXPECT_EQ(log.end, kProven);
  EXPECT_EQ(corrupt(log), Ranges({{900, 1'000}}));
}

TEST(LogEnd, ARecordAcrossTheMarkWasDurableAsAWhole) {
  const LogEnd log = decide_log_end({record(900, 1'100)}, kProven, kLastGoodEnd);
  EXPECT_EQ(log.end, kLastGoodEnd);
  EXPECT_EQ(corrupt(log), Ranges({{900, 1'100}}));
}

TEST(LogEnd, NobodyKnowsWhereItIsInWhatCannotBeRead) {
  BadRange unreadable = bad(1'200, 1'300);
  unreadable.unreadable = true;
  const LogEnd log = decide_log_end({unreadable}, kProven, kLastGoodEnd);
  ASSERT_TRUE(log.unreadable.has_value());
  EXPECT_EQ(log.unreadable->begin, Lsn(1'200));
  unreadable = bad(100, 200);
  unreadable.unreadable = true;
  EXPECT_FALSE(decide_log_end({unreadable}, kProven, kLastGoodEnd).unreadable.has_value());
}

}  // namespace
}  // namespace sluice::storage
