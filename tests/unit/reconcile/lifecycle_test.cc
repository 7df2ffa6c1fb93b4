#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "operator/api/manifest.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/queue_status.h"
#include "operator/reconcile/reconcile.h"
#include "tests/support/kstatus.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::KStatus;
using test::kstatus;
using test::OperatorSim;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

const Json kEmpty = Json::object();

Json set_of(const OperatorSim& sim) { return *sim.api.find(kube::kStatefulSets, "shop", "orders"); }

TEST(Lifecycle, AQueueBecomesABroker) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  std::set<std::string> names;
  for (const Json* object : sim.api.all()) {
    names.insert(object->value("kind", "") + "/" + kube::name_of(*object));
  }
  EXPECT_THAT(names,
              ElementsAre("ConfigMap/orders-queues", "NetworkPolicy/orders",
                          "PersistentVolumeClaim/data-orders-0", "Pod/orders-0",
                          "PodDisruptionBudget/orders", "Queue/orders", "Secret/orders-access",
                          "Secret/orders-admin", "Secret/orders-broker", "Secret/orders-operator",
                          "Service/orders", "Service/orders-shards", "ServiceAccount/orders",
                          "StatefulSet/orders"));
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "False UpToDate");
  EXPECT_EQ(sim.condition("orders", "Stalled"), "False NoObstacle");
  EXPECT_EQ(sim.condition("orders", "BrokerAvailable"), "True AllShardsReady");
  EXPECT_EQ(sim.condition("orders", "MetricsAvailable"), "True Fresh");
  EXPECT_EQ(sim.condition("orders", "ScalingActive"), "");
  EXPECT_EQ(text_at(*sim.queue("orders"), {"status", "endpoint"}), "tcp://orders.shop.svc:7650");
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kCurrent);
  EXPECT_EQ(sim.check_keys(), "");
  EXPECT_THAT(sim.problems, IsEmpty());
  EXPECT_THAT(sim.events, Contains("Normal BrokerCreated"));
  EXPECT_THAT(sim.events, Contains("Normal QueueReady"));
}

TEST(Lifecycle, FinalizerAndFirstStatusComeBeforeAnyOutsideEffect) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  sim.run_once(2);
  EXPECT_THAT(sim.log, ElementsAre("Patch Queue shop/orders", "ApplyStatus Queue shop/orders"));
  const Json& queue = *sim.queue("orders");
  EXPECT_EQ(integer_at(queue, {"status", "observedGeneration"}), generation_of(queue));
  EXPECT_EQ(sim.condition("orders", "Ready"), "Unknown Creating");
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "True Creating");
  EXPECT_EQ(kstatus(queue), KStatus::kInProgress);
}

TEST(Lifecycle, NothingIsDoneInSteadyState) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 3}, {"broker", {{"storage", {{"size", "10240Mi"}}}}}});
  ASSERT_TRUE(sim.settle());
  const std::size_t before = sim.actions_done;
  for (int i = 0; i < 60; ++i) {
    sim.run_once();
    sim.controllers.step();
    sim.advance(std::chrono::seconds(1));
  }
  sim.restart();
  sim.run_once();
  EXPECT_EQ(sim.actions_done, before) << sim.log.back();
}

TEST(Lifecycle, AnotherOperatorChangesNoBroker) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  const Json before = set_of(sim);
  sim.options.version = "2.0.0";
  sim.options.image = "registry.example/sluice";
  sim.options.image_pull_policy = "Always";
  sim.restart();
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(set_of(sim), before);
}

TEST(Lifecycle, AVersionMovesOneShardAtATime) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 3}});
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", {{"shards", 3}, {"broker", {{"version", "2.0.0"}}}});
  // Not before the one that was restarted is ready again.
  sim.run_once();
  sim.controllers.step();
  sim.run_once();
  sim.controllers.broken_pods = {"orders-2"};
  for (int i = 0; i < 5; ++i) {
    sim.controllers.step();
    sim.brokers.step();
    sim.run_once();
  }
  std::size_t restarts = 0;
  for (const std::string& line : sim.log) restarts += line.starts_with("Remove Pod") ? 1U : 0U;
  EXPECT_EQ(restarts, 1U);
  EXPECT_EQ(sim.condition("orders", "BrokerAvailable"), "False ShardsNotReady");
  sim.controllers.broken_pods.clear();
  ASSERT_TRUE(sim.settle());
  for (std::size_t i = 0; i < 3; ++i) {
    const Json* pod = sim.api.find(kube::kPods, "shop", pod_name("orders", i));
    EXPECT_EQ((*pod)["spec"]["containers"][0]["image"], "sluice:2.0.0");
  }
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_THAT(sim.problems, IsEmpty());
}

TEST(Lifecycle, AnnotationOrChartMovesTheVersionWhereNoQueueSaysIt) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", kEmpty, {{"sluice.dev/broker-version", "1.1.0"}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(set_of(sim)["spec"]["template"]["spec"]["containers"][0]["image"], "sluice:1.1.0");
  OperatorSim other("shop", "orders");
  other.put_queue("orders", kEmpty);
  ASSERT_TRUE(other.settle());
  other.options.version = "3.0.0";
  other.options.upgrade_brokers = true;
  ASSERT_TRUE(other.settle());
  EXPECT_EQ(set_of(other)["spec"]["template"]["spec"]["containers"][0]["image"], "sluice:3.0.0");
}

TEST(Lifecycle, ChangedSettingsReachARunningBrokerWithoutARestart) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 2}});
  ASSERT_TRUE(sim.settle());
  sim.log.clear();
  sim.put_queue("orders", {{"shards", 2}, {"delivery", {{"maxAttempts", 9}}}});
  sim.run_once();
  EXPECT_THAT(sim.log,
              ElementsAre("Apply ConfigMap shop/orders-queues", "Configure orders at shard 0",
                          "Configure orders at shard 1", "ApplyStatus Queue shop/orders"));
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_THAT(sim.problems, IsEmpty());
}

TEST(Lifecycle, SettingsThatTheBrokerRefusesStallTheQueueAndAreNotSentAgain) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.brokers.refuse_settings = true;
  sim.put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True SettingsRefused");
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kFailed);
  sim.brokers.refuse_settings = false;
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "False NoObstacle");
}

TEST(Lifecycle, ABadSpecStallsAndTheBrokerGoesOnAsItWas) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  const Json before = set_of(sim);
  sim.put_queue("orders", {{"shards", 99}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True InvalidSpec");
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kFailed);
  EXPECT_EQ(set_of(sim), before);
  EXPECT_THAT(sim.events, Contains("Warning InvalidSpec"));
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
}

TEST(Lifecycle, ABadNewQueueGetsAStatusAndNothingElse) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"delivery", {{"leaseDuration", "1"}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True InvalidSpec");
  EXPECT_EQ(sim.api.all().size(), 1U);
  EXPECT_FALSE(sim.queue("orders")->at("metadata").contains("finalizers"));
}

TEST(Lifecycle, ForeignChangesAreRepaired) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  const std::string before = sim.picture();
  sim.api.change(kube::kStatefulSets, "shop", "orders", [](Json& set) {
    set["spec"]["replicas"] = 5;
    set["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] =
        false;
  });
  sim.api.change(kube::kConfigMaps, "shop", "orders-queues",
                 [](Json& config) { config["data"]["planted.json"] = "{}"; });
  sim.api.change(kube::kNetworkPolicies, "shop", "orders",
                 [](Json& policy) { policy["spec"]["ingress"].push_back(Json::object()); });
  sim.api.erase(kube::kServices, "shop", "orders");
  sim.api.erase(kube::kSecrets, "shop", "orders-access");
  sim.run_once();
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.picture(), before);
  EXPECT_EQ(sim.check_keys(), "");
}

TEST(Lifecycle, FieldsOfOthersAreLeftAlone) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.api.change(kube::kServices, "shop", "orders", [](Json& service) {
    service["metadata"]["annotations"]["cloud.example/internal"] = "true";
  });
  const std::size_t done = sim.actions_done;
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.actions_done, done);
}

TEST(Lifecycle, AnObjectOfSomebodyElseIsNotTakenOver) {
  OperatorSim sim("shop", "orders");
  ASSERT_TRUE(sim.api
                  .create({{"apiVersion", "v1"},
                           {"kind", "Service"},
                           {"metadata", {{"name", "orders"}, {"namespace", "shop"}}},
                           {"spec", {{"selector", {{"app", "web"}}}}}})
                  .has_value());
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True NameTaken");
  EXPECT_EQ(sim.api.all().size(), 2U);
}

TEST(Lifecycle, PausedMeansThatOnlyTheStatusIsWritten) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  const Json before = set_of(sim);
  sim.put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}},
                {{"sluice.dev/pause-reconcile", "true"}});
  sim.log.clear();
  ASSERT_TRUE(sim.settle());
  EXPECT_THAT(sim.log, ElementsAre("ApplyStatus Queue shop/orders"));
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "False Paused");
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kInProgress);
  sim.put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}},
                {{"sluice.dev/pause-reconcile", "false"}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kCurrent);
}

TEST(Lifecycle, ABrokerThatIsNotHeardIsNotUnready) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.brokers.reachable = false;
  const std::size_t done = sim.actions_done;
  ASSERT_TRUE(sim.settle());  // an operator that has just begun knows nothing yet
  EXPECT_EQ(sim.actions_done, done);
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(sim.condition("orders", "MetricsAvailable"), "True Fresh");
}

TEST(Lifecycle, ALostPodMakesTheQueueUnready) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.controllers.pods_are_ready = false;
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Ready"), "False BrokerUnavailable");
  EXPECT_EQ(sim.condition("orders", "BrokerAvailable"), "False ShardsNotReady");
  EXPECT_THAT(sim.events, Contains("Warning BrokerUnavailable"));
  EXPECT_EQ(kstatus(*sim.queue("orders")), KStatus::kInProgress);
  sim.controllers.pods_are_ready = true;
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
}

TEST(Lifecycle, AShardWithoutAPodIsNotHeard) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 2}});
  ASSERT_TRUE(sim.settle());
  ASSERT_EQ(sim.condition("orders", "MetricsAvailable"), "True Fresh");
  sim.put_queue("orders", {{"shards", 2}}, {{"sluice.dev/pause-reconcile", "true"}});
  sim.api.change(kube::kStatefulSets, "shop", "orders",
                 [](Json& set) { set["spec"]["replicas"] = 1; });
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "MetricsAvailable"), "False ShardsUnreachable");
  sim.put_queue("orders", {{"shards", 2}}, {{"sluice.dev/pause-reconcile", "false"}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "MetricsAvailable"), "True Fresh");
  EXPECT_THAT(sim.problems, IsEmpty());
}

TEST(Lifecycle, TheBrokersNameIsReadFromWhateverIsThere) {
  EXPECT_EQ(broker_of(Json{{"metadata", {{"name", "a"}}}}), "a");
  EXPECT_EQ(broker_of(Json{{"metadata", {{"name", "a"}}}, {"spec", {{"broker", {{"name", "b"}}}}}}),
            "b");
  EXPECT_EQ(broker_of(Json{{"metadata", {{"name", "a"}}}, {"spec", {{"broker", 3}}}}), "a");
}

TEST(Lifecycle, FieldsOfANewerSchemaArePassedOverAndNamedOnce) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"delivery", {{"pace", "brisk"}}}, {"limits", {{"messages", 5}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(sim.condition("orders", "Stalled"), "False NoObstacle");
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "False UnknownFields");
  EXPECT_NE(sim.queue("orders")->dump().find("spec.delivery.pace"), std::string::npos);
  EXPECT_EQ(std::count(sim.events.begin(), sim.events.end(), "Warning UnknownFields"), 1);
  // A broker may know more than its operator: it gets the field, and reads it as leniently.
  const std::string told =
      (*sim.api.find(kube::kConfigMaps, "shop", "orders-queues"))["data"]["orders.json"];
  EXPECT_NE(told.find("pace"), std::string::npos);
  EXPECT_TRUE(api::parse_manifest(told).ok());
  const std::size_t done = sim.actions_done;
  sim.restart();
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.actions_done, done);
  sim.put_queue("orders", {{"limits", {{"messages", 5}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Reconciling"), "False UpToDate");
}

TEST(Lifecycle, WhatABrokerRefusesForNowIsAskedAgainEachMinute) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  sim.put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}});
  Inputs inputs = sim.gather();
  inputs.rates["orders"] = {};
  const auto refuse = [&](std::optional<base::MonoTime> ask_again) {
    const std::string manifest = read_members(inputs).front().manifest();
    inputs.shards[0].refused["orders"] = {link::manifest_revision(manifest), "has messages",
                                          ask_again};
  };
  const auto asks = [&](const Plan& plan) {
    return std::count_if(plan.actions.begin(), plan.actions.end(),
                         [](const Action& one) { return std::holds_alternative<Configure>(one); });
  };
  refuse(std::nullopt);
  EXPECT_EQ(asks(reconcile(inputs)), 0);
  refuse(inputs.now.mono + base::Nanos(std::chrono::seconds(60)));
  EXPECT_EQ(asks(reconcile(inputs)), 0);
  EXPECT_EQ(reconcile(inputs).requeue_after, base::Millis(60'000));
  inputs.now.mono = inputs.now.mono + base::Nanos(std::chrono::seconds(60));
  EXPECT_EQ(asks(reconcile(inputs)), 1);
  EXPECT_EQ(reconcile(inputs).requeue_after, kAskRefusedEvery);
}

// Each attempt to reach a shard has a reason of its own.
TEST(Lifecycle, OtherWordsOfAConditionWaitAsNumbersDo) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", kEmpty);
  ASSERT_TRUE(sim.settle());
  Inputs inputs = sim.gather();
  inputs.shards[0].connected = false;
  inputs.shards[0].problem = "the connection was lost";
  const Plan lost = reconcile(inputs);
  ASSERT_EQ(lost.actions.size(), 1U);
  ASSERT_TRUE(sim.api.apply_status(std::get<ApplyStatus>(lost.actions[0]).object, kStatusManager)
                  .has_value());
  inputs = sim.gather();
  inputs.status_written["orders"] = inputs.now.mono;
  inputs.shards[0].connected = false;
  inputs.shards[0].problem = "nobody answers there";
  EXPECT_TRUE(reconcile(inputs).actions.empty());
  EXPECT_EQ(reconcile(inputs).requeue_after, kNumbersEvery);
  inputs.now.mono = inputs.now.mono + base::Nanos(kNumbersEvery);
  EXPECT_EQ(reconcile(inputs).actions.size(), 1U);
}

TEST(Lifecycle, BrokersOfSeveralShardsAreToldWhereTheOthersAre) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 3}});
  ASSERT_TRUE(sim.settle());
  const Json set = set_of(sim);
  const Json& arguments = set["spec"]["template"]["spec"]["containers"][0]["args"];
  const auto after = [&](const char* flag) {
    const auto found = std::find(arguments.begin(), arguments.end(), Json(flag));
    return found == arguments.end() ? std::string() : std::next(found)->get<std::string>();
  };
  EXPECT_EQ(after("--shards"), "3");
  EXPECT_EQ(after("--shard-endpoints"), "tcp://orders-{shard}.orders-shards.shop.svc:{port}");
  EXPECT_EQ(sim.api.all(kube::kPersistentVolumeClaims).size(), 3U);
  // One that is not ready yet can be found by its clients, who wait for it.
  const Json& service = *sim.api.find(kube::kServices, "shop", "orders-shards");
  EXPECT_EQ(service["spec"]["publishNotReadyAddresses"], true);
}

}  // namespace
}  // namespace sluice::reconcile
