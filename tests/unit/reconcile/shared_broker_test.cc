#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "tests/support/kstatus.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::KStatus;
using test::kstatus;
using test::OperatorSim;
using testing::HasSubstr;
using testing::IsEmpty;

std::string message_of(const OperatorSim& sim, const std::string& queue) {
  for (const Json& one : *find_at(*sim.queue(queue), {"status", "conditions"})) {
    if (one["type"] == "Stalled") return one["message"];
  }
  return {};
}

TEST(SharedBroker, TenQueuesAreOnePodAndOneVolume) {
  OperatorSim sim("shop", "main");
  for (int i = 0; i < 10; ++i) {
    sim.put_queue("q" + std::to_string(i), {{"broker", {{"name", "main"}}}});
  }
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.api.all(kube::kPods).size(), 1U);
  EXPECT_EQ(sim.api.all(kube::kPersistentVolumeClaims).size(), 1U);
  const Json& config = *sim.api.find(kube::kConfigMaps, "shop", "main-queues");
  EXPECT_EQ(config["data"].size(), 10U);
  EXPECT_EQ(config["metadata"]["ownerReferences"].size(), 10U);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(kstatus(*sim.queue("q" + std::to_string(i))), KStatus::kCurrent);
    EXPECT_GE(sim.brokers.messages("shop", "main-0", "q" + std::to_string(i)), 0);
  }
  EXPECT_THAT(sim.problems, IsEmpty());
  const std::size_t done = sim.actions_done;
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.actions_done, done);
}

struct Disagreement {
  const char* field;
  Json first;
  Json second;
};

class Conflict : public testing::TestWithParam<Disagreement> {};

TEST_P(Conflict, StallsTheLaterQueueAndHarmsNothing) {
  OperatorSim sim("shop", "main");
  Json first = GetParam().first;
  first["broker"]["name"] = "main";
  sim.put_queue("z-older", first);
  ASSERT_TRUE(sim.settle());
  const Json before = *sim.api.find(kube::kStatefulSets, "shop", "main");
  Json second = GetParam().second;
  second["broker"]["name"] = "main";
  sim.put_queue("a-newer", second);
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("a-newer", "Stalled"), "True BrokerConflict");
  EXPECT_THAT(message_of(sim, "a-newer"), HasSubstr(GetParam().field));
  EXPECT_THAT(message_of(sim, "a-newer"), HasSubstr("z-older"));
  EXPECT_EQ(kstatus(*sim.queue("a-newer")), KStatus::kFailed);
  EXPECT_EQ(kstatus(*sim.queue("z-older")), KStatus::kCurrent);
  EXPECT_EQ(*sim.api.find(kube::kStatefulSets, "shop", "main"), before);
  EXPECT_EQ(sim.brokers.messages("shop", "main-0", "a-newer"), -1);
  // Gone again, nothing is left of it; agreeing, it is taken.
  first["limits"] = {{"messages", 5}};
  sim.put_queue("a-newer", first);
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(kstatus(*sim.queue("a-newer")), KStatus::kCurrent);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, Conflict,
    testing::Values(Disagreement{"spec.shards", {{"shards", 2}}, {{"shards", 3}}},
                    Disagreement{"spec.broker.version",
                                 {{"broker", {{"version", "1.0.0"}}}},
                                 {{"broker", {{"version", "2.0.0"}}}}},
                    Disagreement{"spec.broker.storage.size",
                                 {{"broker", {{"storage", {{"size", "20Gi"}}}}}},
                                 {{"broker", {{"storage", {{"size", "30Gi"}}}}}}},
                    Disagreement{"spec.broker.storage.storageClassName",
                                 {{"broker", {{"storage", {{"storageClassName", "standard"}}}}}},
                                 {{"broker", {{"storage", {{"storageClassName", "fast"}}}}}}},
                    Disagreement{"spec.broker.resources",
                                 {{"broker", {{"resources", {{"limits", {{"memory", "1Gi"}}}}}}}},
                                 {{"broker", {{"resources", {{"limits", {{"memory", "2Gi"}}}}}}}}}),
    [](const auto& one) { return "Field" + std::to_string(one.index); });

TEST(SharedBroker, WhatOneQueueLeavesOpenAnotherMaySay) {
  OperatorSim sim("shop", "main");
  sim.put_queue("a", {{"broker", {{"name", "main"}}}});
  sim.put_queue("b",
                {{"broker", {{"name", "main"}, {"resources", {{"requests", {{"cpu", "500m"}}}}}}}});
  ASSERT_TRUE(sim.settle());
  const Json& set = *sim.api.find(kube::kStatefulSets, "shop", "main");
  EXPECT_EQ(set["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"],
            "500m");
}

TEST(SharedBroker, AQueueThatComesToDisagreeKeepsWhatItHad) {
  OperatorSim sim("shop", "main");
  sim.put_queue("a", {{"broker", {{"name", "main"}, {"version", "1.0.0"}}}});
  sim.put_queue("b", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(sim.settle());
  sim.brokers.set_messages("shop", "main-0", "b", 3);
  sim.put_queue("b", {{"broker", {{"name", "main"}, {"version", "9.0.0"}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("b", "Stalled"), "True BrokerConflict");
  EXPECT_EQ(sim.condition("a", "Ready"), "True QueueReady");
  const Json& config = *sim.api.find(kube::kConfigMaps, "shop", "main-queues");
  EXPECT_TRUE(config["data"].contains("b.json"));
  EXPECT_EQ(sim.brokers.messages("shop", "main-0", "b"), 3);
}

TEST(SharedBroker, WhoMayConnectToOneOfItsQueuesMayConnectToIt) {
  OperatorSim sim("shop", "main");
  const auto spec = [](const char* team) {
    return Json{
        {"broker", {{"name", "main"}}},
        {"access",
         {{"from",
           Json::array({Json{{"namespaceSelector", {{"matchLabels", {{"team", team}}}}}}})}}}};
  };
  sim.put_queue("a", spec("red"));
  sim.put_queue("b", spec("blue"));
  ASSERT_TRUE(sim.settle());
  const Json& from =
      (*sim.api.find(kube::kNetworkPolicies, "shop", "main"))["spec"]["ingress"][0]["from"];
  EXPECT_EQ(from.size(), 2U);
  sim.put_queue("b", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ((*sim.api.find(kube::kNetworkPolicies, "shop", "main"))["spec"]["ingress"][0]["from"],
            Json::array({Json{{"podSelector", Json::object()}}}));
}

TEST(SharedBroker, ANewQueueDoesNotOutvoteOneThatCannotBeRead) {
  OperatorSim sim{"shop", "main"};
  sim.put_queue("orders", {{"broker", {{"name", "main"}}}, {"shards", 4}});
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", {{"broker", {{"name", "main"}}}, {"shards", 4}, {"paused", 1}});
  sim.put_queue("emails", {{"broker", {{"name", "main"}}}, {"shards", 1}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True InvalidSpec");
  EXPECT_EQ(sim.condition("emails", "Stalled"), "True BrokerConflict");
  EXPECT_EQ((*sim.api.find(kube::kStatefulSets, "shop", "main"))["spec"]["replicas"], 4);
}

}  // namespace
}  // namespace sluice::reconcile
