#include "cli/selector_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr base::WallTime kNow{10'000'000};

TEST(SelectorFlags, NoneMeansAll) {
  const auto selector = selector_from({}, kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_FALSE(selector->reason.has_value());
  EXPECT_TRUE(selector->sequences.empty());
  EXPECT_FALSE(selector->header.has_value());
  EXPECT_EQ(selector->before, base::WallTime());
  EXPECT_EQ(selector->not_before, base::WallTime());
  EXPECT_TRUE(is_empty({}));
}

TEST(SelectorFlags, AllConditionsHoldTogether) {
  const auto selector = selector_from({.reason = "AttemptsExceeded",
                                       .sequences = "17-42",
                                       .header = "kind=created",
                                       .older_than = "1h",
                                       .newer_than = "2h",
                                       .error = "refused"},
                                      kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->reason, client::DeadReason::kAttemptsExceeded);
  EXPECT_THAT(selector->sequences,
              ElementsAre(base::SequenceRange{base::Sequence(17), base::Sequence(42)}));
  EXPECT_EQ(selector->header->second, "created");
  EXPECT_EQ(selector->before, kNow - 3'600'000);
  EXPECT_EQ(selector->not_before, kNow - 7'200'000);
  EXPECT_EQ(selector->error, "refused");
}

TEST(SelectorFlags, OneSequenceIsARange) {
  const auto selector = selector_from({.sequences = "7"}, kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_THAT(selector->sequences,
              ElementsAre(base::SequenceRange{base::Sequence(7), base::Sequence(7)}));
}

TEST(SelectorFlags, SeveralRangesAreSortedAndJoined) {
  const auto selector = selector_from({.sequences = "50-60,7,1-5,55-70"}, kNow);
  ASSERT_TRUE(selector.has_value());
  EXPECT_THAT(selector->sequences,
              ElementsAre(base::SequenceRange{base::Sequence(1), base::Sequence(5)},
                          base::SequenceRange{base::Sequence(7), base::Sequence(7)},
                          base::SequenceRange{base::Sequence(50), base::Sequence(70)}));
}

TEST(SelectorFlags, ABadRangeIsRefused) {
  for (const char* text :
       {"0", "5-4", "-", "1-", "-3", "1-2-3", "a", "1 - 2", "+1", "1,", ",", "1,,2",
        "99999999999999999999", ":17", "0:", "65536:1", "x:1", "0:1:2"}) {
    const auto selector = selector_from({.sequences = text}, kNow);
    ASSERT_FALSE(selector.has_value()) << text;
    EXPECT_THAT(selector.error().message(), HasSubstr("--sequence")) << text;
  }
}

TEST(SelectorFlags, AShardIsNamedBeforeTheSequencesOrByItself) {
  const auto named = selector_from({.sequences = "3:17,3:20-25,3:18"}, kNow);
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->shard, base::ShardIndex(3));
  EXPECT_THAT(named->sequences,
              ElementsAre(base::SequenceRange{base::Sequence(17), base::Sequence(17)},
                          base::SequenceRange{base::Sequence(18), base::Sequence(18)},
                          base::SequenceRange{base::Sequence(20), base::Sequence(25)}));
  const auto whole = selector_from({.shard = 0}, kNow);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->shard, base::ShardIndex(0));
  EXPECT_FALSE(is_empty({.shard = 0}));
  EXPECT_TRUE(selector_from({.shard = 3, .sequences = "3:1,3:9"}, kNow).has_value());
  EXPECT_TRUE(selector_from({.shard = 3, .sequences = "1,9"}, kNow).has_value());
}

TEST(SelectorFlags, SeveralShardsAtOnceAreRefused) {
  EXPECT_THAT(selector_from({.sequences = "0:1,1:2"}, kNow).error().message(),
              HasSubstr("once for each shard"));
  for (const char* text : {"0:1,2", "2,0:1"}) {
    const auto selector = selector_from({.sequences = text}, kNow);
    ASSERT_FALSE(selector.has_value()) << text;
    EXPECT_THAT(selector.error().message(), HasSubstr("none for others")) << text;
  }
  EXPECT_THAT(selector_from({.shard = 2, .sequences = "0:1"}, kNow).error().message(),
              HasSubstr("--shard is 2"));
}

TEST(SelectorFlags, ABadAgeNamesTheFlag) {
  EXPECT_THAT(selector_from({.older_than = "long"}, kNow).error().message(),
              HasSubstr("--older-than"));
  EXPECT_THAT(selector_from({.newer_than = "long"}, kNow).error().message(),
              HasSubstr("--newer-than"));
}

}  // namespace
}  // namespace sluice::cli
