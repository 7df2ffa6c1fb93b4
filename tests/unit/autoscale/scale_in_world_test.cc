#include "operator/autoscale/scale_in_world.h"

#include <gtest/gtest.h>

#include "tests/unit/autoscale/fake_target.h"

namespace sluice::autoscale {
namespace {

TEST(ScaleInWorld, OrdinalsAreNumbers) {
  EXPECT_EQ(ordinal_of("worker-10"), 10U);
  EXPECT_EQ(ordinal_of("worker"), 0U);
  EXPECT_EQ(ordinal_of("worker-x"), 0U);
}

TEST(ScaleInWorld, AChosenPodCostsLessThanEveryOther) {
  TargetState target;
  EXPECT_EQ(cost_to_go(target), -1'000'000);
  target.pods.resize(3);
  target.pods[0].deletion_cost = "5";
  target.pods[1].deletion_cost = "-2000000";
  EXPECT_EQ(cost_to_go(target), -2'000'001);
  target.pods[1].chosen = "";
  EXPECT_EQ(cost_to_go(target), -1'000'000);
  target.pods[1].chosen = "-1500000";
  EXPECT_EQ(cost_to_go(target), -1'500'001);
  target.pods[1].chosen = "";
  target.pods[2].deletion_cost = "-2147483648";
  EXPECT_EQ(cost_to_go(target), -2'147'483'648);
  target.pods[2].deletion_cost = "many";
  EXPECT_EQ(cost_to_go(target), -1'000'000);
}

TEST(ScaleInWorld, HoldingsAreAddedUpByPod) {
  FakeTarget fake;
  fake.add_pods(1);
  fake.pod(0).in_flight = {3};
  ScaleInWorld world = fake.world();
  auto told = std::make_shared<link::BrokerObservation>(*world.brokers[0].told);
  told->queues.push_back(told->queues[0]);
  told->queues[1].name = "invoices";
  told->queues[1].subscriptions[0].consumers = {{"worker-0/2", 4, true}};
  world.brokers[0].told = told;
  const std::vector<BrokerView> views = views_of(world, fake.now);
  ASSERT_EQ(views.size(), 1U);
  const Holding& holding = views[0].by_pod.at("worker-0");
  EXPECT_EQ(holding.in_flight, 7U);
  EXPECT_EQ(holding.consumers, 2U);
  EXPECT_FALSE(holding.cordoned);
}

TEST(ScaleInWorld, StrangersCountWhereTheyConsumeFromTheGroup) {
  FakeTarget fake;
  fake.add_pods(1);
  EXPECT_FALSE(has_unmatched_consumers(fake.world(), fake.now));
  fake.broker(0).strangers = {"laptop"};
  ScaleInWorld world = fake.world();
  EXPECT_TRUE(has_unmatched_consumers(world, fake.now));
  fake.broker(0).strangers = {"worker-0/7"};
  EXPECT_FALSE(has_unmatched_consumers(fake.world(), fake.now));
  fake.broker(0).strangers = {"worker-0/12345678-1234-1234-1234-123456789012"};
  EXPECT_TRUE(has_unmatched_consumers(fake.world(), fake.now));
  fake.pod(0).pod.uid = "12345678-1234-1234-1234-123456789012";
  EXPECT_FALSE(has_unmatched_consumers(fake.world(), fake.now));
  world.members = {{"invoices", "default"}};
  EXPECT_FALSE(has_unmatched_consumers(world, fake.now));
}

}  // namespace
}  // namespace sluice::autoscale
