#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tests/unit/scaler/scaler_fixture.h"

// What the scaler does where the cluster is not as it should be.
namespace sluice::op {
namespace {

using namespace std::chrono_literals;
using autoscale::Reason;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

kube::Json hpa() {
  return {{"apiVersion", "autoscaling/v2"},
          {"kind", "HorizontalPodAutoscaler"},
          {"metadata", {{"name", "mine"}, {"namespace", "shop"}}},
          {"spec",
           {{"scaleTargetRef",
             {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", "worker"}}}}}};
}

TEST_F(ScalerTest, AnHpaOnTheTargetIsAConflictAndHandsStayOff) {
  cluster.kube.put(hpa());
  ready(500);
  start();
  run_for(60s);
  EXPECT_EQ(cluster.replicas(), 0U);
  EXPECT_EQ(status().reason, Reason::kConflict);
  EXPECT_THAT(status().message, HasSubstr("HorizontalPodAutoscaler mine"));
  EXPECT_EQ(scaler.results(FakeCluster::kBroker).begin()->second.state,
            reconcile::ScalingState::kInactive);
  ASSERT_THAT(cluster.events, SizeIs(1));
  EXPECT_EQ(cluster.events[0].type, kube::EventType::kWarning);
  EXPECT_EQ(cluster.events[0].reason, "Conflict");
  cluster.kube.objects.erase("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/mine");
  run_for(60s);
  EXPECT_EQ(cluster.replicas(), 5U);
}

TEST_F(ScalerTest, AConflictInTheMiddleOfAScaleInLiftsTheCordons) {
  begin_to_drain();
  ASSERT_GT(cluster.cordoned_until["worker-h-0"], cluster.clock.mono);
  cluster.kube.put(hpa());
  run_for(35s);
  EXPECT_EQ(status().reason, Reason::kConflict);
  for (const auto& [pod, until] : cluster.cordoned_until) EXPECT_LE(until, cluster.clock.mono);
}

TEST_F(ScalerTest, AMissingTargetIsLookedForNowAndThen) {
  const kube::Json deployment = cluster.deployment();
  cluster.kube.objects.erase("/apis/apps/v1/namespaces/shop/deployments/worker");
  ready(500);
  start();
  for (int i = 0; i < 100; ++i) {
    run();
    cluster.clock.advance(100ms);
  }
  EXPECT_EQ(status().reason, Reason::kTargetNotFound);
  EXPECT_EQ(status().current, std::nullopt);
  EXPECT_EQ(cluster.kube.count("get"), 1U);
  EXPECT_THAT(cluster.events, SizeIs(1));
  cluster.kube.put(deployment);
  cluster.clock.advance(15s);
  run();
  EXPECT_EQ(cluster.replicas(), 5U);
}

TEST_F(ScalerTest, ATargetWithoutAScaleSubresourceIsToldAsSuch) {
  cluster.kube.no_scale = true;
  ready(500);
  start();
  run();
  EXPECT_EQ(status().reason, Reason::kTargetNotScalable);
  EXPECT_THAT(status().message, HasSubstr("Deployment worker"));
  run_for(30s);
  EXPECT_EQ(cluster.kube.count("patch"), 1U);
}

TEST_F(ScalerTest, ARefusedWriteIsToldAndTriedAgainMoreAndMoreRarely) {
  cluster.kube.fail_writes = base::Error(base::ErrorCode::kPermissionDenied, "may not patch scale");
  ready(500);
  start();
  run_for(60s);
  EXPECT_EQ(status().reason, Reason::kTargetUnreadable);
  EXPECT_THAT(status().message, HasSubstr("may not patch scale"));
  EXPECT_LE(cluster.kube.count("patch"), 7U);
  cluster.kube.fail_writes.reset();
  run_for(35s);
  EXPECT_EQ(cluster.replicas(), 5U);
}

TEST_F(ScalerTest, SomebodyElsesChangeIsReadBeforeItIsOverwritten) {
  start();
  run();
  cluster.set_deployment(3);
  ready(200);
  cluster.clock.advance(2s);
  run();
  EXPECT_EQ(cluster.replicas(), 3U);  // two are enough, but three are there: scale-in has rules
  EXPECT_EQ(status().limited_by, autoscale::LimitedBy::kStabilization);
}

TEST_F(ScalerTest, AConflictOfVersionsIsReadAgainAtOnce) {
  start();
  run();
  ready(500);
  cluster.kube.fail_writes = base::Error(base::ErrorCode::kConflict, "changed");
  EXPECT_LE(run(), 50ms);
  cluster.kube.fail_writes.reset();
  cluster.clock.advance(50ms);
  run();
  EXPECT_EQ(cluster.replicas(), 5U);
  EXPECT_NE(status().reason, Reason::kTargetUnreadable);
}

TEST_F(ScalerTest, ACordonThatEndsWhileTheApiServerTakesItsTimeIsNotReliedOn) {
  begin_to_drain();
  connect_pods(0);
  cluster.clock.advance(1'100ms);
  cluster.kube.on_call = [this](const std::string& call) {
    if (call.starts_with("list pods")) cluster.clock.advance(35s);
  };
  run();
  EXPECT_EQ(cluster.replicas(), 5U);
  EXPECT_EQ(cluster.kube.count("patch Deployment shop/worker/scale"), 1U);  // to five, before
  cluster.kube.on_call = nullptr;
  run_for(60s);
  EXPECT_LT(cluster.replicas(), 5U);
}

TEST_F(ScalerTest, WhatWasDecidedBeforeSlowMarksIsDecidedAgain) {
  begin_to_drain();
  connect_pods(0);
  cluster.clock.advance(1'100ms);
  cluster.kube.on_call = [this](const std::string& call) {
    if (call.starts_with("patch Pod")) cluster.clock.advance(4s);
  };
  run();
  EXPECT_EQ(cluster.replicas(), 5U);
  cluster.kube.on_call = nullptr;
  run_for(60s);
  EXPECT_LT(cluster.replicas(), 5U);
}

TEST_F(ScalerTest, AnApiServerThatIsAwayIsToldAndAskedRarely) {
  cluster.kube.fail_reads = base::unavailable("no connection");
  ready(500);
  start();
  for (int i = 0; i < 50; ++i) {
    run();
    cluster.clock.advance(100ms);
  }
  EXPECT_EQ(status().reason, Reason::kTargetUnreadable);
  EXPECT_LE(cluster.kube.calls.size(), 2U);
}

TEST_F(ScalerTest, BoundsThatLeaveNothingAreToldToAllQueues) {
  kube::Json many = FakeCluster::consumers();
  many["minReplicas"] = 20;
  kube::Json few = FakeCluster::consumers();
  few["maxReplicas"] = 10;
  scaler.follow(FakeCluster::kBroker, kept({cluster.queue(many), cluster.queue(few, "bills")}));
  start();
  run();
  EXPECT_EQ(cluster.replicas(), 0U);
  for (const ScalingStatus& one : scaler.statuses()) {
    EXPECT_EQ(one.reason, Reason::kBoundsConflict);
  }
  EXPECT_THAT(cluster.events, SizeIs(2));
}

TEST_F(ScalerTest, APausedQueueIsLeftAloneWithoutAWarning) {
  kube::Json object = cluster.queue(FakeCluster::consumers());
  object["metadata"]["annotations"] = {{"sluice.dev/pause-reconcile", "true"}};
  object["metadata"]["resourceVersion"] = "2";
  scaler.follow(FakeCluster::kBroker, kept({object}));
  ready(500);
  start();
  run();
  EXPECT_EQ(cluster.replicas(), 0U);
  EXPECT_EQ(status().reason, Reason::kReconcilePaused);
  EXPECT_THAT(cluster.events, IsEmpty());
}

TEST_F(ScalerTest, APodThatKeepsItsMessagesIsToldOnce) {
  kube::Json consumers = FakeCluster::consumers();
  consumers["scaleIn"]["drainTimeout"] = "20s";
  consumers["target"]["backlogPerReplica"] = 1;
  kube::Json object = cluster.queue(consumers);
  object["metadata"]["resourceVersion"] = "2";
  scaler.follow(FakeCluster::kBroker, kept({object}));
  ready(2);
  start();
  run_for(2s);
  ASSERT_EQ(cluster.replicas(), 2U);
  ready(0);
  connect_pods(1);
  subscription().consumers.pop_back();
  subscription().consumers[0].in_flight = 3;
  subscription().in_flight = 1;  // as long as one asks for one replica
  subscription().consumers.push_back({"worker-h-1", 3, false});
  // Both are tried, one after the other.
  run_for(110s);
  EXPECT_EQ(cluster.replicas(), 2U);
  EXPECT_EQ(status().reason, Reason::kDrainTimedOut);
  EXPECT_EQ(status().desired, 2U);
  EXPECT_THAT(status().message, HasSubstr("worker-h-"));
  const auto warnings =
      std::count_if(cluster.events.begin(), cluster.events.end(),
                    [](const auto& event) { return event.reason == "DrainTimedOut"; });
  EXPECT_GE(warnings, 1);
  EXPECT_LE(warnings, 3);
}

TEST_F(ScalerTest, NothingIsSaidOfABrokerThatThereWasNoTimeToHear) {
  cluster.connected = false;
  cluster.trying_since = cluster.clock.mono;
  start();
  EXPECT_EQ(run(), reconcile::kConnectGrace);
  EXPECT_THAT(scaler.statuses(), IsEmpty());
  cluster.clock.advance(reconcile::kConnectGrace);
  run();
  EXPECT_THAT(scaler.statuses(), SizeIs(1));
}

}  // namespace
}  // namespace sluice::op
