#include "cli/selector_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using testing::HasSubstr;

constexpr base::WallTime kNow{10'000'000};

TEST(SelectorFlags, NoneMeansAll) {
  const auto selector = selector_from({}, kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_FALSE(selector->reason.has_value());
  EXPECT_FALSE(selector->sequences.has_value());
  EXPECT_FALSE(selector->header.has_value());
  EXPECT_EQ(selector->dead_before, base::WallTime());
}

TEST(SelectorFlags, AllConditionsHoldTogether) {
  const auto selector = selector_from({.reason = "AttemptsExceeded",
                                       .sequences = "17-42",
                                       .header = "kind=created",
                                       .older_than = "1h"},
                                      kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->reason, client::DeadReason::kAttemptsExceeded);
  EXPECT_EQ(selector->sequences, (base::SequenceRange{base::Sequence(17), base::Sequence(42)}));
  EXPECT_EQ(selector->header->second, "created");
  EXPECT_EQ(selector->dead_before, kNow - 3'600'000);
}

TEST(SelectorFlags, OneSequenceIsARange) {
  const auto selector = selector_from({.sequences = "7"}, kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->sequences->first, base::Sequence(7));
  EXPECT_EQ(selector->sequences->last, base::Sequence(7));
}

TEST(SelectorFlags, ABadRangeIsRefused) {
  for (const char* text :
       {"0", "5-4", "-", "1-", "-3", "1-2-3", "a", "1 - 2", "+1", "99999999999999999999"}) {
    const auto selector = selector_from({.sequences = text}, kNow);
    ASSERT_FALSE(selector.has_value()) << text;
    EXPECT_THAT(selector.error().message(), HasSubstr("--sequence")) << text;
  }
}

TEST(SelectorFlags, ABadAgeNamesTheFlag) {
  EXPECT_THAT(selector_from({.older_than = "long"}, kNow).error().message(),
              HasSubstr("--older-than"));
}

}  // namespace
}  // namespace sluice::cli
