#include "cli/line_ledger.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(LineLedger, GivesLinesBackInTheirOrder) {
  LineLedger ledger;
  for (std::uint64_t line = 1; line <= 10; ++line) ledger.add(line);
  const auto first = ledger.take(4);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].first, 1U);
  EXPECT_EQ(first[0].count, 4U);
  const auto rest = ledger.take(6);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].first, 5U);
  EXPECT_EQ(ledger.open(), 0U);
}

TEST(LineLedger, ALineThatWasNotTakenLeavesAGap) {
  LineLedger ledger;
  ledger.add(1);
  ledger.add(2);
  ledger.add(4);
  const auto runs = ledger.take(3);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].count, 2U);
  EXPECT_EQ(runs[1].first, 4U);
  EXPECT_EQ(runs[1].count, 1U);
}

}  // namespace
}  // namespace sluice::cli
