#include "operator/scaler/scaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/scaler/scaler_fixture.h"

namespace sluice::op {
namespace {

using namespace std::chrono_literals;
using autoscale::LimitedBy;
using autoscale::Reason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(ScalerTest, DoesNothingBeforeItLeads) {
  ready(500);
  scaler.observed(FakeCluster::kBroker);
  run();
  EXPECT_THAT(cluster.kube.calls, IsEmpty());
  EXPECT_THAT(scaler.statuses(), IsEmpty());
}

TEST_F(ScalerTest, TheFirstMessageScalesInTheSameRun) {
  start();
  run();
  cluster.clock.advance(10s);
  cluster.kube.calls.clear();
  ready(1);
  run();
  EXPECT_EQ(cluster.replicas(), 1U);
  EXPECT_EQ(status().reason, Reason::kFirstMessage);
  EXPECT_EQ(status().current, 1U);
  EXPECT_EQ(status().desired, 1U);
  ASSERT_THAT(cluster.scaled, SizeIs(1));
  EXPECT_EQ(cluster.scaled[0].second.count(), 0);
  EXPECT_EQ(cluster.kube.calls.back(), "patch Deployment shop/worker/scale");
}

TEST_F(ScalerTest, EveryChangeIsAnEventWithItsNumbers) {
  ready(500);
  start();
  run();
  ASSERT_THAT(cluster.events, SizeIs(1));
  EXPECT_EQ(cluster.events[0].reason, "ScaledOut");
  EXPECT_EQ(cluster.events[0].type, kube::EventType::kNormal);
  EXPECT_EQ(cluster.events[0].regarding["name"], "orders");
  EXPECT_EQ(cluster.events[0].note,
            "Deployment worker from 0 to 5, BacklogPerReplica: ready 500, in flight 0; "
            "backlogPerReplica 100 asks for 5; 0 to 50 allowed");
  EXPECT_THAT(cluster.changed, ElementsAre("shop/orders"));
}

TEST_F(ScalerTest, AnIdleQueueIsReadOnceAMinuteAndWritesNothing) {
  start();
  run_for(5s);
  cluster.kube.calls.clear();
  run_for(600s);
  EXPECT_EQ(cluster.kube.count("patch"), 0U);
  EXPECT_LE(cluster.kube.count("get"), 11U);
  EXPECT_EQ(cluster.kube.count("list pods"), 0U);
  EXPECT_THAT(cluster.changed, SizeIs(1));
}

TEST_F(ScalerTest, ASteadyQueueIsReadTwiceAMinute) {
  ready(500);
  start();
  run_for(120s);
  cluster.kube.calls.clear();
  run_for(600s);
  EXPECT_EQ(cluster.kube.count("patch"), 0U);
  EXPECT_LE(cluster.kube.count("get"), 21U);
  EXPECT_EQ(cluster.kube.count("list pods"), 0U);
}

TEST_F(ScalerTest, ScalesInWithoutTakingAMessageFromAnybody) {
  ready(500);
  start();
  run_for(2s);
  ASSERT_EQ(cluster.replicas(), 5U);
  ready(0);
  connect_pods(1);
  run_for(70s);
  EXPECT_EQ(cluster.replicas(), 5U);  // in flight: five messages are one replica's backlog
  EXPECT_EQ(status().limited_by, LimitedBy::kDraining);
  EXPECT_THAT(cluster.cordons, testing::Not(IsEmpty()));
  // One finishes; it goes, and no other.
  subscription().consumers[3].in_flight = 0;
  subscription().in_flight = 4;
  run_for(10s);
  EXPECT_THAT(cluster.removed, ElementsAre("worker-h-3"));
  EXPECT_EQ(cluster.replicas(), 4U);
  EXPECT_EQ(cluster.events.back().reason, "ScaledIn");
}

TEST_F(ScalerTest, ToZeroAndMarksNothingThatStays) {
  ready(500);
  start();
  run_for(2s);
  ready(0);
  run_for(75s);
  EXPECT_EQ(cluster.replicas(), 0U);
  EXPECT_EQ(status().reason, Reason::kIdle);
  EXPECT_EQ(status().limited_by, LimitedBy::kNothing);
  EXPECT_TRUE(status().last_scale.has_value());
}

TEST_F(ScalerTest, NewBacklogWhileDrainingLiftsTheCordons) {
  begin_to_drain();
  ASSERT_TRUE(cluster.cordoned_until["worker-h-0"] > cluster.clock.mono);
  ready(600);
  run();
  EXPECT_EQ(cluster.replicas(), 7U);
  for (const auto& [pod, until] : cluster.cordoned_until) EXPECT_LE(until, cluster.clock.mono);
}

TEST_F(ScalerTest, SilenceHolds) {
  ready(500);
  start();
  run_for(2s);
  cluster.connected = false;
  run_for(600s);
  EXPECT_EQ(cluster.replicas(), 5U);
  EXPECT_EQ(status().reason, Reason::kMetricsUnknown);
  EXPECT_EQ(status().message, "nothing is known; 0 to 50 allowed");
}

TEST_F(ScalerTest, QueuesWithOneTargetAreOneGroup) {
  cluster.more_queues = {"bills"};
  scaler.follow(FakeCluster::kBroker, kept({cluster.queue(FakeCluster::consumers()),
                                            cluster.queue(FakeCluster::consumers(), "bills")}));
  ready(700);
  start();
  run();
  EXPECT_EQ(cluster.replicas(), 7U);
  const auto results = scaler.results(FakeCluster::kBroker);
  ASSERT_EQ(results.size(), 2U);
  const auto& bills = results.at({"bills", "default"});
  EXPECT_EQ(bills.state, reconcile::ScalingState::kActive);
  EXPECT_EQ(bills.reason, "BacklogPerReplica");
  EXPECT_EQ(bills.desired, 7U);
  EXPECT_THAT(bills.message, HasSubstr("; orders/default asks for most"));
  EXPECT_THAT(cluster.events, SizeIs(1));
}

TEST_F(ScalerTest, BrokersWithOneTargetAreOneGroupHoweverTheyCome) {
  cluster.more_queues = {"bills", "zebras"};
  for (const std::string name : {"zebras", "bills"}) {
    kube::Json queue = cluster.queue(FakeCluster::consumers(), name);
    queue["spec"].erase("broker");  // one of its own
    scaler.follow("shop/" + name, kept({queue}));
  }
  start();
  run();
  const auto queues = [this] {
    std::vector<std::string> names;
    for (const ScalingStatus& one : scaler.statuses()) names.push_back(one.queue);
    return names;
  };
  EXPECT_THAT(queues(), ElementsAre("bills", "orders", "zebras"));
  EXPECT_EQ(scaler.results("shop/bills").size(), 1U);
  scaler.follow(FakeCluster::kBroker, {});
  run();
  EXPECT_THAT(queues(), ElementsAre("bills", "zebras"));
  EXPECT_THAT(scaler.results(FakeCluster::kBroker), IsEmpty());
}

TEST_F(ScalerTest, AQueueThatLosesItsConsumersIsLeftAlone) {
  start();
  run();
  kube::Json object = cluster.queue(FakeCluster::consumers());
  object["metadata"]["resourceVersion"] = "2";
  object["spec"].erase("consumers");
  scaler.follow(FakeCluster::kBroker, kept({object}));
  ready(500);
  run();
  EXPECT_EQ(cluster.replicas(), 0U);
  EXPECT_THAT(scaler.statuses(), IsEmpty());
}

TEST_F(ScalerTest, AnotherPolicyHoldsAtOnce) {
  ready(500);
  start();
  run();
  kube::Json object = cluster.queue(FakeCluster::consumers());
  object["metadata"]["resourceVersion"] = "2";
  object["spec"]["consumers"]["target"]["backlogPerReplica"] = 50;
  scaler.follow(FakeCluster::kBroker, kept({object}));
  run();
  EXPECT_EQ(cluster.replicas(), 10U);
}

TEST_F(ScalerTest, ALeaderThatComesBackHasNoPast) {
  ready(500);
  start();
  run_for(120s);
  scaler.stop();
  EXPECT_THAT(scaler.statuses(), IsEmpty());
  ready(100);
  start();
  run_for(55s);
  EXPECT_EQ(cluster.replicas(), 5U);
  EXPECT_EQ(status().limited_by, LimitedBy::kStabilization);
  run_for(10s);
  EXPECT_EQ(cluster.replicas(), 1U);
}

TEST_F(ScalerTest, AnotherLeaderTakesOverInTheMiddleOfAScaleIn) {
  begin_to_drain();
  ASSERT_EQ(status().limited_by, LimitedBy::kDraining);
  Scaler other(cluster.seams(), 0);
  scaler.stop();
  other.follow(FakeCluster::kBroker, kept({cluster.queue(FakeCluster::consumers())}));
  other.start();
  other.run_all();
  // It does not know yet that fewer were enough for long, so all may work on for now.
  for (const auto& [pod, until] : cluster.cordoned_until) EXPECT_LE(until, cluster.clock.mono);
  EXPECT_EQ(cluster.replicas(), 5U);
}

}  // namespace
}  // namespace sluice::op
