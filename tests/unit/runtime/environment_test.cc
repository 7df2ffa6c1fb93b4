#include "runtime/posix/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice::runtime {
namespace {

using testing::Contains;
using testing::Not;

TEST(EnvironmentTest, WhatIsGivenWinsOverWhatIsThere) {
  ASSERT_EQ(setenv("SLUICE_TEST_KEPT", "kept", 1), 0);
  ASSERT_EQ(setenv("SLUICE_TEST_REPLACED", "older", 1), 0);
  const auto all = environment_with({{"SLUICE_TEST_REPLACED", "newer"}, {"SLUICE_TEST", "a=b"}});
  EXPECT_THAT(all, Contains("SLUICE_TEST_KEPT=kept"));
  EXPECT_THAT(all, Contains("SLUICE_TEST_REPLACED=newer"));
  EXPECT_THAT(all, Not(Contains("SLUICE_TEST_REPLACED=older")));
  EXPECT_THAT(all, Contains("SLUICE_TEST=a=b"));
}

TEST(EnvironmentTest, AValueEndsWhereTheSystemWouldEndIt) {
  const auto all = environment_with({{"SLUICE_TEST", std::string("a\0b", 3)}});
  EXPECT_EQ(all.front(), "SLUICE_TEST=a");
}

}  // namespace
}  // namespace sluice::runtime
