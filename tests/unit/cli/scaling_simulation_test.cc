#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/scaling/decision_report.h"
#include "cli/scaling/policy_file.h"
#include "cli/scaling/simulation.h"
#include "tests/support/status_matchers.h"

namespace sluice::cli::scaling {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::string kExamples = SLUICE_TEST_SOURCE_DIR "/examples/";

autoscale::Policy by_backlog() {
  autoscale::Policy policy;
  policy.max_replicas = 50;
  policy.target.backlog_per_replica = 100;
  return policy;
}

SimulationResult run(std::string_view text, const SimulationOptions& options = {},
                     const autoscale::Policy& of = by_backlog()) {
  const auto trace = parse_trace("trace", text);
  EXPECT_THAT(trace, sluice::test::IsOk());
  return trace ? simulate(of, *trace, options) : SimulationResult{};
}

// The first moment at which so many replicas were decided.
std::optional<base::Millis> when(const SimulationResult& result, std::uint32_t replicas) {
  for (const SimulationPoint& point : result.points) {
    if (point.decision.replicas == replicas) return point.time;
  }
  return std::nullopt;
}

TEST(ScalingSimulation, ARecordedBacklogHoldsUntilItsNextLine) {
  const SimulationResult result =
      run("time,ready,oldestAgeSeconds\n0,0,\n10,500,1\n14,0,\n200,0,\n");
  EXPECT_EQ(when(result, 5), 10s);
  const SimulationPoint& later = result.points[12];
  EXPECT_EQ(later.time, 12s);
  EXPECT_EQ(later.backlog.ready, 500U);
  EXPECT_EQ(later.backlog.oldest_age, 3s);
  EXPECT_EQ(result.summary.scale_outs, 1U);
  EXPECT_EQ(result.points.back().decision.replicas, 0U);
}

TEST(ScalingSimulation, AMadeBurstIsWorkedOffAndTheReplicasGo) {
  SimulationOptions options;
  options.start_delay = 5s;
  options.rate_per_replica = 10;
  const SimulationResult result = run("time,published\n0,0\n10,0\n11,5000\n600,0\n", options);
  EXPECT_EQ(when(result, 50), 11s);
  // 5,000 messages at 500 a second, from 16 s on.
  EXPECT_EQ(result.points[15].ready, 0U);
  EXPECT_EQ(result.points[16].ready, 50U);
  EXPECT_GT(result.points[25].backlog.work(), 0U);
  EXPECT_EQ(result.points[27].backlog.work(), 0U);
  EXPECT_EQ(result.summary.work_max, 5'000U);
  EXPECT_EQ(result.summary.replicas_max, 50U);
  EXPECT_EQ(result.points.back().decision.replicas, 0U);
}

TEST(ScalingSimulation, ArrivalsAreSpreadOverTheTimeBeforeTheirLine) {
  SimulationOptions options;
  options.rate_per_replica = 0.000001;
  const SimulationResult result = run("time,published\n0,0\n100,1000\n100,5\n", options);
  EXPECT_EQ(result.points[50].backlog.work(), 500U);
  EXPECT_EQ(result.points[100].backlog.work(), 1'000U);
  EXPECT_EQ(result.points.back().backlog.work(), 1'005U);
  EXPECT_EQ(result.points[50].backlog.oldest_age, 49s);
}

TEST(ScalingSimulation, SilenceHolds) {
  const SimulationResult result = run(R"({"time":0,"ready":900})"
                                      "\n"
                                      R"({"time":5,"known":"none"})"
                                      "\n"
                                      R"({"time":900,"known":"none"})");
  EXPECT_EQ(result.points.back().decision.replicas, 9U);
  EXPECT_EQ(result.points.back().decision.reason, autoscale::Reason::kMetricsUnknown);
}

TEST(ScalingSimulation, TheExamplesRun) {
  const auto of = read_policy(kExamples + "orders.yaml", "", "");
  ASSERT_THAT(of, sluice::test::IsOk());
  EXPECT_EQ(of->queue, "orders");
  EXPECT_EQ(of->subscription, "default");
  for (const std::string name : {"burst.csv", "day.csv", "silence.jsonl"}) {
    SCOPED_TRACE(name);
    const auto text = read_text_file(kExamples + "scaling/" + name);
    ASSERT_THAT(text, sluice::test::IsOk());
    const auto trace = parse_trace(name, *text);
    ASSERT_THAT(trace, sluice::test::IsOk());
    const SimulationResult result = simulate(of->policy, *trace, {});
    EXPECT_GT(result.summary.replicas_max, 1U);
    EXPECT_LE(result.summary.replicas_max, 50U);
    EXPECT_EQ(result.points.back().decision.replicas, 0U);
  }
}

TEST(PolicyFile, AsksWhichWhereThereAreSeveral) {
  const std::string path = testing::TempDir() + "several.yaml";
  std::ofstream(path) << "apiVersion: sluice.dev/v1alpha1\nkind: Queue\n"
                         "metadata: {name: events}\nspec:\n  subscriptions:\n"
                         "  - {name: a, consumers: {scaleTargetRef: {name: w}}}\n"
                         "  - {name: b, consumers: {scaleTargetRef: {name: w}}}\n"
                         "  - {name: c}\n";
  EXPECT_THAT(read_policy(path, "", "").error().message(), HasSubstr("events/a, events/b"));
  EXPECT_EQ(read_policy(path, "events", "b")->subscription, "b");
  EXPECT_THAT(read_policy(path, "", "c").error().message(), HasSubstr("no such queue"));
  EXPECT_THAT(read_policy(path + "x", "", "").error().message(), HasSubstr("cannot read"));
  std::remove(path.c_str());
}

TEST(DecisionReport, ARowForEachChange) {
  const SimulationResult result = run("time,ready\n0,0\n10,500\n14,0\n200,0\n");
  const std::string table = decision_table(result);
  EXPECT_THAT(table, HasSubstr("TIME"));
  EXPECT_THAT(table, HasSubstr(" 10s    500          0"));
  EXPECT_THAT(table, HasSubstr("BacklogPerReplica"));
  EXPECT_THAT(table, HasSubstr("Stabilization"));
  EXPECT_THAT(table, HasSubstr("1 times more"));
  EXPECT_THAT(table, Not(HasSubstr(" 11s ")));
}

TEST(DecisionReport, JsonHasTheSameAndTheSummary) {
  const SimulationResult result = run("time,ready\n0,0\n10,500\n14,0\n200,0\n");
  const auto json = nlohmann::json::parse(decision_json(result));
  EXPECT_EQ(json["decisions"][0]["reason"], "Idle");
  EXPECT_EQ(json["decisions"][1]["time"], 10.0);
  EXPECT_EQ(json["decisions"][1]["decided"], 5);
  EXPECT_EQ(json["decisions"][1]["askedFor"]["backlogPerReplica"], 5);
  EXPECT_EQ(json["summary"]["replicasMax"], 5);
  EXPECT_EQ(json["summary"]["scaleOuts"], 1);
}

TEST(DecisionReport, ThePictureIsBoundedAndWellFormed) {
  SimulationOptions options;
  const SimulationResult result = run("time,published\n0,0\n11,5000\n20000,0\n", options);
  const std::string svg = decision_plot(result, "a <b> & c");
  EXPECT_THAT(svg, testing::StartsWith("<svg"));
  EXPECT_THAT(svg, testing::EndsWith("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("a &lt;b> &amp; c"));
  EXPECT_LT(svg.size(), 200'000U);
}

}  // namespace
}  // namespace sluice::cli::scaling
