#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "cli/scaling/trace.h"
#include "tests/support/status_matchers.h"

namespace sluice::cli::scaling {
namespace {

using namespace std::chrono_literals;
using autoscale::Coverage;
using testing::HasSubstr;
using testing::SizeIs;

std::string problem(std::string_view text) {
  const auto trace = parse_trace("t.csv", text);
  return trace ? "none" : trace.error().message();
}

TEST(ScalingTrace, CsvHasAHeadingAndCommentsAndEmptyValues) {
  const auto trace = parse_trace("t.csv",
                                 "# recorded at night\n"
                                 "time, ready, inFlight, oldestAgeSeconds, settledTotal\n"
                                 "\n"
                                 "100,5,1,2.5,7\r\n"
                                 "101.5,0,0,,9\n");
  ASSERT_THAT(trace, sluice::test::IsOk());
  EXPECT_FALSE(trace->arrivals);
  ASSERT_THAT(trace->lines, SizeIs(2));
  EXPECT_EQ(trace->lines[0].time, 0ms);
  EXPECT_EQ(trace->lines[0].backlog.ready, 5U);
  EXPECT_EQ(trace->lines[0].backlog.in_flight, 1U);
  EXPECT_EQ(trace->lines[0].backlog.oldest_age, 2'500ms);
  EXPECT_EQ(trace->lines[0].backlog.settled_total, 7U);
  EXPECT_EQ(trace->lines[0].backlog.coverage, Coverage::kAll);
  EXPECT_EQ(trace->lines[1].time, 1'500ms);
  EXPECT_EQ(trace->lines[1].backlog.oldest_age, std::nullopt);
}

TEST(ScalingTrace, JsonLinesSayTheSame) {
  const auto trace = parse_trace(
      "t.jsonl",
      R"({"time":"2026-01-31T12:00:00Z","ready":5,"paused":true,"dueDelayed":2})"
      "\n"
      R"({"time":"2026-01-31T12:01:00Z","ready":3,"known":"some","oldestAgeSeconds":null})"
      "\n"
      R"({"time":"2026-01-31T12:02:00Z","known":"none"})");
  ASSERT_THAT(trace, sluice::test::IsOk());
  ASSERT_THAT(trace->lines, SizeIs(3));
  EXPECT_TRUE(trace->lines[0].backlog.paused);
  EXPECT_EQ(trace->lines[0].backlog.due_delayed, 2U);
  EXPECT_EQ(trace->lines[1].time, 60s);
  EXPECT_EQ(trace->lines[1].backlog.coverage, Coverage::kSome);
  EXPECT_EQ(trace->lines[2].backlog.coverage, Coverage::kNone);
}

TEST(ScalingTrace, AMadeOneHasArrivals) {
  const auto trace = parse_trace("t.csv", "time,published\n0,0\n10,500\n");
  ASSERT_THAT(trace, sluice::test::IsOk());
  EXPECT_TRUE(trace->arrivals);
  EXPECT_EQ(trace->lines[1].published, 500U);
}

TEST(ScalingTrace, ProblemsNameFileLineAndField) {
  EXPECT_THAT(problem("time,ready\n0,1\n1,many\n"),
              "t.csv:3: ready: \"many\" is wrong; allowed is a whole number from 0");
  EXPECT_THAT(problem("time,ready\n0,-1\n"), HasSubstr("t.csv:2: ready: \"-1\""));
  EXPECT_THAT(problem("time,readyy\n"), HasSubstr("t.csv:1: \"readyy\" is no column; there are"));
  EXPECT_THAT(problem("time,ready,ready\n"), HasSubstr("stands twice"));
  EXPECT_THAT(problem("time,ready\n0\n"), HasSubstr("t.csv:2: has 1 values under a heading of 2"));
  EXPECT_THAT(problem("time,ready\n5,0\n4,0\n"), HasSubstr("t.csv:3: time: \"4\""));
  EXPECT_THAT(problem("time,ready\n0,0\n604801,0\n"), HasSubstr("at most 7 days"));
  EXPECT_THAT(problem("ready\n0\n"), HasSubstr("t.csv:2: time: is missing"));
  EXPECT_THAT(problem("time\n0\n"), HasSubstr("t.csv:2: ready: is missing"));
  EXPECT_THAT(problem("time,ready,published\n0,1,1\n"), HasSubstr("t.csv:2: published:"));
  EXPECT_THAT(problem("time,ready,published\n0,1,\n1,,1\n"), HasSubstr("t.csv:3: published:"));
  EXPECT_THAT(problem("time,ready,known\n0,1,maybe\n"), HasSubstr("known: \"maybe\""));
  EXPECT_THAT(problem("time,ready,paused\n0,1,yes\n"), HasSubstr("paused: \"yes\""));
  EXPECT_THAT(problem("time,ready\n2026-99-01T00:00:00Z,1\n"), HasSubstr("time: \"2026-99"));
  EXPECT_THAT(problem("time,ready,oldestAgeSeconds\n0,1,old\n"),
              HasSubstr("oldestAgeSeconds: \"old\""));
  EXPECT_THAT(problem("{\"time\":0,\"ready\":[1]}\n"), HasSubstr("t.csv:1: ready: \"[1]\""));
  EXPECT_THAT(problem("{\"time\":0,\n"), HasSubstr("t.csv:1: is no JSON object"));
  EXPECT_EQ(problem("# nothing\n"), "t.csv: has no line with a time");
  EXPECT_EQ(problem(""), "t.csv: has no line with a time");
}

}  // namespace
}  // namespace sluice::cli::scaling
