#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::LogHarness;
using testing::HasSubstr;

using Files = std::vector<std::pair<std::string, std::vector<std::byte>>>;

Files files_of(LogHarness& harness) {
  Files files;
  for (const std::string folder : {"/data/segments", "/data/snapshots"}) {
    const auto names = harness.fs().list(folder);
    if (!names) continue;
    for (const std::string& name : *names) {
      std::string path = folder;
      path.append("/").append(name);
      files.emplace_back(path, *harness.fs().contents(path));
    }
  }
  return files;
}

void expect_refused_untouched(LogHarness& harness, const char* why) {
  const auto before = files_of(harness);
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(status.error().message(), HasSubstr(why));
  EXPECT_EQ(files_of(harness), before);
}

TEST(FeatureLevel, ANewLogHasTheHighestOne) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), kFeatureLevelSupported);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), kFeatureLevelSupported);
}

TEST(FeatureLevel, ANewLogMayBeCreatedAtALowerOne) {
  LogHarness harness;
  harness.feature_level = 1;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 1U);
}

TEST(FeatureLevel, AnOlderVersionTakesALogBackUntilItWasRaised) {
  LogHarness harness;
  harness.feature_level_supported = 1;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());

  harness.feature_level_supported = 2;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 1U);
  harness.append_fact(2);
  harness.fill_to_segment(3);
  ASSERT_THAT(harness.snapshot("state"), IsOk());

  harness.feature_level_supported = 1;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 1U);
  harness.append_fact(3);
  ASSERT_THAT(harness.log().flush(), IsOk());

  harness.feature_level_supported = 2;
  harness.feature_level = 2;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 2U);
  ASSERT_THAT(harness.log().flush(), IsOk());

  harness.close();
  harness.feature_level = 0;
  harness.feature_level_supported = 1;
  expect_refused_untouched(harness, "raises the feature level to 2");

  harness.feature_level_supported = 2;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 2U);
}

TEST(FeatureLevel, ARaisedLogIsRefusedAlsoWhereSnapshotsAndHeadersAloneTell) {
  LogHarness harness;
  harness.feature_level = 1;
  ASSERT_THAT(harness.open(), IsOk());
  harness.feature_level = 2;
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_THAT(harness.snapshot("state", true), IsOk());
  harness.close();
  harness.feature_level = 0;
  harness.feature_level_supported = 1;
  expect_refused_untouched(harness, "has feature level 2");

  harness.feature_level_supported = 2;
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().feature_level(), 2U);
  harness.fill_to_segment(2);
  harness.close();
  const auto snapshots = harness.fs().list("/data/snapshots");
  for (const std::string& name : *snapshots) {
    ASSERT_THAT(harness.fs().remove("/data/snapshots/" + name), IsOk());
  }
  harness.feature_level_supported = 1;
  expect_refused_untouched(harness, "has feature level 2");
}

TEST(FeatureLevel, RaisingIsOneRecordAndHappensOnce) {
  LogHarness harness;
  harness.feature_level = 1;
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.feature_level = 2;
  ASSERT_THAT(harness.open(), IsOk());
  ASSERT_THAT(harness.log().flush(), IsOk());
  const base::Lsn end = harness.log().positions().durable;
  EXPECT_GT(end, harness.report().end);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.log().positions().appended, end);
  ASSERT_EQ(harness.replayed().size(), 1U);
  EXPECT_EQ(harness.replayed().front().type, RecordType::kFeatureLevel);
}

TEST(FeatureLevel, ALogIsNeverLowered) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  harness.append_fact(1);
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.close();
  harness.feature_level = 1;
  expect_refused_untouched(harness, "feature level 2, which cannot fall to 1");
}

TEST(FeatureLevel, MoreThanIsSupportedIsRefused) {
  LogHarness harness;
  harness.feature_level = kFeatureLevelSupported + 1;
  const auto status = harness.open();
  ASSERT_THAT(status, HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(status.error().message(), HasSubstr("is above"));
  EXPECT_TRUE(files_of(harness).empty());
}

}  // namespace
}  // namespace sluice::storage
