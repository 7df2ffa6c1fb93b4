#include "base/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

class LogTest : public testing::Test {
 protected:
  LogOptions options() {
    LogOptions options;
    options.sink = [this](std::string_view line) { lines_.emplace_back(line); };
    return options;
  }
  LogOptions options_with_clock() {
    LogOptions with_clock = options();
    with_clock.clock = [] { return WallTime(1'767'355'201'045); };
    return with_clock;
  }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, an_event_is_one_json_line) {
  Logger logger(options());
  logger.write(LogLevel::kInfo, "log_recovered",
               {{"segments", 3}, {"bytes", std::uint64_t{5'000'000'000}}, {"clean", true}});
  EXPECT_EQ(lines_, std::vector<std::string>{"{\"level\":\"info\",\"event\":\"log_recovered\","
                                             "\"segments\":3,\"bytes\":5000000000,"
                                             "\"clean\":true}\n"});
}

TEST_F(LogTest, time_is_utc_to_the_millisecond) {
  Logger logger(options_with_clock());
  logger.write(LogLevel::kWarn, "disk_low");
  EXPECT_EQ(lines_.at(0),
            "{\"ts\":\"2026-01-02T12:00:01.045Z\",\"level\":\"warn\",\"event\":\"disk_low\"}\n");
}

TEST_F(LogTest, every_kind_of_value_survives) {
  Logger logger(options());
  const std::string owned = "owned \"text\"\n";
  logger.write(LogLevel::kError, "values",
               {{"literal", "text"},
                {"owned", owned},
                {"negative", -5},
                {"least", std::numeric_limits<std::int64_t>::min()},
                {"most", std::numeric_limits<std::uint64_t>::max()},
                {"small", std::uint16_t{7}},
                {"real", 0.25},
                {"infinite", std::numeric_limits<double>::infinity()},
                {"no", false}});
  const nlohmann::json event = nlohmann::json::parse(lines_.at(0));
  EXPECT_EQ(event["level"], "error");
  EXPECT_EQ(event["literal"], "text");
  EXPECT_EQ(event["owned"], owned);
  EXPECT_EQ(event["negative"], -5);
  EXPECT_EQ(event["least"], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(event["most"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(event["small"], 7);
  EXPECT_EQ(event["real"], 0.25);
  EXPECT_TRUE(event["infinite"].is_null());
  EXPECT_EQ(event["no"], false);
}

TEST_F(LogTest, events_below_the_level_are_dropped) {
  Logger logger(options());
  logger.write(LogLevel::kDebug, "unseen");
  EXPECT_FALSE(logger.enabled(LogLevel::kDebug));
  logger.set_level(LogLevel::kDebug);
  logger.write(LogLevel::kDebug, "seen");
  logger.set_level(LogLevel::kError);
  logger.write(LogLevel::kWarn, "unseen");
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(lines_[0], "{\"level\":\"debug\",\"event\":\"seen\"}\n");
}

TEST_F(LogTest, a_terminal_gets_words) {
  LogOptions human = options_with_clock();
  human.format = LogFormat::kHuman;
  Logger logger(human);
  logger.write(LogLevel::kInfo, "log_recovered", {{"segments", 3}, {"file", "a b"}, {"none", ""}});
  human.utc_offset = std::chrono::minutes(-13 * 60 - 30);
  logger.configure(human);
  logger.write(LogLevel::kError, "x", {{"path", "/data/log"}});
  EXPECT_EQ(lines_, (std::vector<std::string>{
                        "12:00:01 info  log_recovered segments=3 file=\"a b\" none=\"\"\n",
                        "22:30:01 error x path=/data/log\n"}));
}

TEST_F(LogTest, a_value_cannot_forge_a_line) {
  LogOptions human = options();
  human.format = LogFormat::kHuman;
  Logger logger(human);
  logger.write(LogLevel::kInfo, "seen", {{"name", "x\ninfo forged"}});
  EXPECT_EQ(lines_.at(0), "info  seen name=\"x\\ninfo forged\"\n");
}

TEST(LogLevelTest, names_and_back) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    EXPECT_THAT(parse_log_level(to_string(level)), test::IsOkAndHolds(level));
  }
  EXPECT_THAT(parse_log_level("INFO"), test::HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(parse_log_level(""), test::HasCode(ErrorCode::kInvalidArgument));
}

TEST(ProcessLoggerTest, it_writes_to_standard_error_unless_told_otherwise) {
  testing::internal::CaptureStderr();
  log_info("started", {{"port", 7650}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "{\"level\":\"info\",\"event\":\"started\",\"port\":7650}\n");
}

TEST(LogFormatTest, AutoFollowsWhereTheLogGoes) {
  for (const bool to_terminal : {false, true}) {
    EXPECT_EQ(*parse_log_format("json", to_terminal), LogFormat::kJson);
    EXPECT_EQ(*parse_log_format("human", to_terminal), LogFormat::kHuman);
    EXPECT_FALSE(parse_log_format("xml", to_terminal).has_value());
  }
  EXPECT_EQ(*parse_log_format("auto", false), LogFormat::kJson);
  EXPECT_EQ(*parse_log_format("auto", true), LogFormat::kHuman);
}

}  // namespace
}  // namespace sluice::base
