#include "tests/sim/operator/scenario.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace sluice::sim {
namespace {

using base::ErrorCode;
using test::HasCode;

TEST(Scenario, HasQueuesOperatorsAndSteps) {
  const auto scenario = parse_scenario(
      "# why\n"
      "queue h0 hub 2\n"
      "operators 2\n"
      "\n"
      "0.5 create h0 Delete  # soon\n"
      "30 kill 1 5\n");
  ASSERT_TRUE(scenario.has_value());
  ASSERT_EQ(scenario->slots.size(), 1U);
  EXPECT_EQ(scenario->slots.front().broker, "hub");
  EXPECT_EQ(scenario->slots.front().shards, 2U);
  EXPECT_EQ(scenario->operators, 2U);
  ASSERT_EQ(scenario->steps.size(), 2U);
  EXPECT_EQ(scenario->steps.front().at, base::Millis(500));
  EXPECT_EQ(scenario->steps.front().words, (std::vector<std::string>{"create", "h0", "Delete"}));
  EXPECT_GT(scenario->end, base::Millis(30'000));
}

TEST(Scenario, WhatIsNoneIsRefusedWithItsLine) {
  for (const std::string text : {"1 create q0 Retain", "queue q0 q0", "queue q0 q0 1\n1 jump q0",
                                 "queue q0 q0 1\n1 delete", "queue q0 q0 1\nsoon delete q0"}) {
    EXPECT_THAT(parse_scenario(text), HasCode(ErrorCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace sluice::sim
