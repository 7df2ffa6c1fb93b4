#include "operator/reconcile/volume_growth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/reconcile/fields.h"
#include "tests/support/kstatus.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::OperatorSim;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Json sized(const char* size) {
  return {{"shards", 2},
          {"broker", {{"storage", {{"size", size}}}}},
          {"limits", {{"bytes", "1Gi"}}},
          {"deadLetter", {{"bytes", "1Gi"}}}};
}

std::string request(const OperatorSim& sim, const char* claim) {
  return text_at(*sim.api.find(kube::kPersistentVolumeClaims, "shop", claim),
                 {"spec", "resources", "requests", "storage"});
}

TEST(VolumeGrowth, ClaimsGrowAndTheStatefulSetIsMadeAnewWithoutTouchingPods) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", sized("10Gi"));
  ASSERT_TRUE(sim.settle());
  const std::string pod = kube::uid_of(*sim.api.find(kube::kPods, "shop", "orders-1"));
  const std::string set = kube::uid_of(*sim.api.find(kube::kStatefulSets, "shop", "orders"));
  sim.put_queue("orders", sized("20Gi"));
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(request(sim, "data-orders-0"), "20Gi");
  EXPECT_EQ(request(sim, "data-orders-1"), "20Gi");
  EXPECT_EQ(kube::uid_of(*sim.api.find(kube::kPods, "shop", "orders-1")), pod);
  const Json& live = *sim.api.find(kube::kStatefulSets, "shop", "orders");
  EXPECT_NE(kube::uid_of(live), set);
  EXPECT_EQ(live["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"],
            "20Gi");
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "False UpToDate");
  EXPECT_THAT(sim.events, Contains("Normal VolumeGrowing"));
}

TEST(VolumeGrowth, AClassThatCannotGrowIsTold) {
  OperatorSim sim("shop", "orders");
  sim.api.expandable = {{"standard", false}};
  sim.put_queue("orders", sized("10Gi"));
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", sized("20Gi"));
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True VolumeNotExpandable");
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(request(sim, "data-orders-0"), "10Gi");
}

TEST(VolumeGrowth, WhatNobodyAskedForIsNoObstacle) {
  OperatorSim sim("shop", "main");
  sim.api.expandable = {{"standard", false}};
  sim.put_queue("a", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(sim.settle());
  sim.put_queue("b", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("a", "Stalled"), "False NoObstacle");
  EXPECT_EQ(sim.condition("b", "Ready"), "True QueueReady");
}

TEST(VolumeGrowth, VolumesDoNotShrink) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", sized("20Gi"));
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", sized("10Gi"));
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True VolumeCannotShrink");
  EXPECT_EQ(request(sim, "data-orders-0"), "20Gi");
  EXPECT_THAT(sim.log, Not(Contains(HasSubstr("Remove StatefulSet"))));
}

}  // namespace
}  // namespace sluice::reconcile
