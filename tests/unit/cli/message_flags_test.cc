#include "cli/message_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace sluice::cli {
namespace {

using testing::HasSubstr;

TEST(MessageFlags, NoneMakeABareMessage) {
  const auto pattern = message_pattern({});
  ASSERT_TRUE(pattern.has_value());
  EXPECT_TRUE(pattern->is_bare());
}

TEST(MessageFlags, ShapeTheMessage) {
  MessageFlags flags;
  flags.key = "customer-4";
  flags.headers = {"kind=created", "empty=", "equation=a=b"};
  auto pattern = message_pattern(flags);
  ASSERT_TRUE(pattern.has_value());
  EXPECT_FALSE(pattern->is_bare());
  EXPECT_EQ(pattern->message.key, "customer-4");
  ASSERT_EQ(pattern->message.headers.size(), 3U);
  EXPECT_EQ(pattern->message.headers[0], std::pair(std::string("kind"), std::string("created")));
  EXPECT_EQ(pattern->message.headers[1].second, "");
  EXPECT_EQ(pattern->message.headers[2].second, "a=b");
}

TEST(MessageFlags, TimesCountFromEachMessage) {
  MessageFlags flags;
  flags.delay = "30s";
  flags.ttl = "5m";
  auto pattern = message_pattern(flags);
  ASSERT_TRUE(pattern.has_value());
  base::Prng prng(1);
  pattern->set_times(base::WallTime(1'000), prng);
  EXPECT_EQ(pattern->message.deliver_at, base::WallTime(31'000));
  EXPECT_EQ(pattern->message.expires_at, base::WallTime(301'000));
  pattern->set_times(base::WallTime(2'000), prng);
  EXPECT_EQ(pattern->message.deliver_at, base::WallTime(32'000));
}

TEST(MessageFlags, ASpreadIsDrawnForEachMessage) {
  MessageFlags flags;
  flags.delay = "1s";
  flags.spread = "10s";
  auto pattern = message_pattern(flags);
  ASSERT_TRUE(pattern.has_value());
  EXPECT_FALSE(pattern->is_bare());
  base::Prng prng(1);
  base::WallTime lowest(20'000);
  base::WallTime highest;
  for (int i = 0; i < 1'000; ++i) {
    pattern->set_times(base::WallTime(0), prng);
    lowest = std::min(lowest, pattern->message.deliver_at);
    highest = std::max(highest, pattern->message.deliver_at);
  }
  EXPECT_GE(lowest, base::WallTime(1'000));
  EXPECT_LT(lowest, base::WallTime(1'200));
  EXPECT_LE(highest, base::WallTime(11'000));
  EXPECT_GT(highest, base::WallTime(10'800));
}

TEST(MessageFlags, AnErrorNamesTheFlag) {
  MessageFlags flags;
  flags.spread = "wide";
  EXPECT_THAT(message_pattern(flags).error().message(), HasSubstr("--spread"));
  flags = {};
  flags.delay = "soon";
  EXPECT_THAT(message_pattern(flags).error().message(), HasSubstr("--delay"));
  flags = {};
  flags.ttl = "0";
  EXPECT_THAT(message_pattern(flags).error().message(), HasSubstr("--ttl"));
  flags = {};
  flags.headers = {"=value"};
  EXPECT_THAT(message_pattern(flags).error().message(), HasSubstr("NAME=VALUE"));
  flags = {};
  flags.key = std::string(1'025, 'k');
  EXPECT_THAT(message_pattern(flags).error().message(), HasSubstr("key"));
}

}  // namespace
}  // namespace sluice::cli
