#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/queue_numbers.h"
#include "operator/reconcile/queue_status.h"
#include "operator/reconcile/rate_meter.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::OperatorSim;

std::int64_t ready_of(const OperatorSim& sim) {
  return integer_at(*sim.queue("orders"), {"status", "messages", "ready"}).value_or(-1);
}

void run(OperatorSim& sim, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    sim.run_once();
    sim.advance(seconds(1));
  }
}

TEST(Numbers, ChangeAtMostEvery30Seconds) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"shards", 2}});
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  sim.brokers.set_messages("shop", "orders-0", "orders", 40);
  sim.brokers.set_messages("shop", "orders-1", "orders", 60);
  sim.run_once();
  EXPECT_EQ(ready_of(sim), 100);
  sim.brokers.set_messages("shop", "orders-1", "orders", 600);
  const Plan plan = reconcile(sim.gather());
  EXPECT_TRUE(plan.actions.empty());
  EXPECT_EQ(plan.requeue_after, base::Millis(30'000));
  run(sim, 30);
  EXPECT_EQ(ready_of(sim), 100);
  run(sim, 1);
  EXPECT_EQ(ready_of(sim), 640);
}

TEST(Numbers, ChangeByATenthOrAZero) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  sim.brokers.set_messages("shop", "orders-0", "orders", 1000);
  run(sim, 31);
  EXPECT_EQ(ready_of(sim), 1000);
  sim.brokers.set_messages("shop", "orders-0", "orders", 1099);
  run(sim, 40);
  EXPECT_EQ(ready_of(sim), 1000);
  sim.brokers.set_messages("shop", "orders-0", "orders", 1100);
  run(sim, 40);
  EXPECT_EQ(ready_of(sim), 1100);
  sim.brokers.set_messages("shop", "orders-0", "orders", 0);
  run(sim, 40);
  EXPECT_EQ(ready_of(sim), 0);
}

// A queue at rest tells nothing new, but what it had a second does not stay in its status.
TEST(Numbers, RatesAreLookedAtAgainUntilTheyAreZero) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  Inputs inputs = sim.gather();
  inputs.rates["orders"] = {2, 0};
  EXPECT_EQ(reconcile(inputs).requeue_after, kNumbersEvery);
  inputs.rates["orders"] = {0.3, 0.4};
  EXPECT_EQ(reconcile(inputs).requeue_after, std::nullopt);
  // A process that has just begun has nothing to compare yet.
  inputs.rates.clear();
  for (Json& queue : inputs.queues)
    queue["status"]["rates"] = {{"inPerSecond", 0}, {"outPerSecond", 7}};
  EXPECT_EQ(reconcile(inputs).requeue_after, kNumbersEvery);
}

// What is heard of a queue for the first time is no rate yet.
TEST(Numbers, RatesAreLookedForUntilTheyAreKnown) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  Inputs inputs = sim.gather();
  ASSERT_EQ(find_at(inputs.queues.front(), {"status", "rates"}), nullptr);
  EXPECT_EQ(reconcile(inputs).requeue_after, kNumbersEvery);
  inputs.rates["orders"] = {0, 0};
  EXPECT_EQ(reconcile(inputs).actions.size(), 1U);
  EXPECT_EQ(reconcile(inputs).requeue_after, std::nullopt);
  // One that is not heard tells by itself when it is.
  inputs.rates.clear();
  inputs.shards[0].connected = false;
  EXPECT_EQ(reconcile(inputs).requeue_after, std::nullopt);
}

TEST(Numbers, UnknownIsNotZero) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  sim.brokers.set_messages("shop", "orders-0", "orders", 70);
  run(sim, 31);
  sim.brokers.reachable = false;
  run(sim, 60);
  EXPECT_EQ(ready_of(sim), 70);
  EXPECT_EQ(add_up({ShardState()}, 1, "orders"), std::nullopt);
  EXPECT_EQ(add_up({}, 0, "orders"), std::nullopt);
}

bool operator_material(const char* wanted, const char* live) {
  return is_material(Json::parse(wanted), Json::parse(live));
}

TEST(Numbers, AgesAndSizesCountAsNumbers) {
  EXPECT_FALSE(operator_material(R"({"a":"100s"})", R"({"a":"105s"})"));
  EXPECT_TRUE(operator_material(R"({"a":"2m"})", R"({"a":"100s"})"));
  EXPECT_FALSE(operator_material(R"({"a":"18Mi"})", R"({"a":"17Mi"})"));
  EXPECT_TRUE(operator_material(R"({"a":"18Mi"})", R"({"a":"16Mi"})"));
  EXPECT_TRUE(operator_material(R"({"reason":"Idle"})", R"({"reason":"Backlog"})"));
  EXPECT_FALSE(operator_material(R"({"message":"12 wait"})", R"({"message":"13 wait"})"));
  EXPECT_TRUE(operator_material(R"({"current":50})", R"({"current":51})"));
  EXPECT_TRUE(operator_material(R"({"a":1})", R"({})"));
  EXPECT_TRUE(operator_material(R"([{"a":1}])", R"([])"));
}

TEST(Numbers, AgesAreRounded) {
  EXPECT_EQ(rounded_age(base::Millis(900)), "0s");
  EXPECT_EQ(rounded_age(seconds(9)), "9s");
  EXPECT_EQ(rounded_age(seconds(44)), "40s");
  EXPECT_EQ(rounded_age(seconds(100)), "1m30s");
  EXPECT_EQ(rounded_age(minutes(14)), "10m");
  EXPECT_EQ(rounded_age(hours(30)), "1d6h");
  EXPECT_EQ(rounded_bytes(0), "0");
  EXPECT_EQ(rounded_bytes(18ULL * 1024 * 1024 + 5), "18Mi");
}

TEST(RateMeter, ComparesSamplesOfOneIncarnation) {
  RateMeter meter;
  const auto observe = [&](std::size_t shard, std::int64_t second, std::uint32_t incarnation,
                           std::uint64_t published) {
    link::BrokerObservation seen;
    seen.received_at = base::MonoTime(second * 1'000'000'000);
    seen.incarnation = incarnation;
    seen.queues.emplace_back();
    seen.queues.back().name = "orders";
    seen.queues.back().published_total = published;
    meter.observe(shard, seen);
  };
  observe(0, 0, 1, 0);
  EXPECT_TRUE(meter.rates().empty());
  observe(0, 10, 1, 1000);
  EXPECT_DOUBLE_EQ(meter.rates().at("orders").in_per_second, 100);
  observe(1, 0, 1, 0);
  observe(1, 10, 1, 500);
  EXPECT_DOUBLE_EQ(meter.rates().at("orders").in_per_second, 150);
  observe(1, 20, 2, 7);  // a restart counts anew
  EXPECT_DOUBLE_EQ(meter.rates().at("orders").in_per_second, 100);
  for (std::int64_t i = 11; i <= 60; ++i) observe(0, i, 1, 1000);
  EXPECT_DOUBLE_EQ(meter.rates().at("orders").in_per_second, 0);
}

TEST(Scaling, IsACondition) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", {{"consumers", {{"scaleTargetRef", {{"name", "worker"}}}}}});
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "ScalingActive"), "Unknown WaitingForBroker");
  Inputs inputs = sim.gather();
  ScalingResult result;
  result.state = ScalingState::kInactive;
  result.reason = "Conflict";
  result.message = "a HorizontalPodAutoscaler scales it";
  result.current = 3;
  result.desired = 3;
  inputs.scaling[{"orders", "default"}] = result;
  const Plan plan = reconcile(inputs);
  ASSERT_EQ(plan.actions.size(), 1U);
  const Json& status = std::get<ApplyStatus>(plan.actions.front()).object["status"];
  EXPECT_EQ(status["conditions"].back()["reason"], "Conflict");
  EXPECT_EQ(status["consumers"]["desired"], 3);
  EXPECT_EQ(status["subscriptions"][0]["consumers"]["current"], 3);
}

TEST(Numbers, WhatTheAutoscalerSaidLastStaysUntilItSaysSomething) {
  OperatorSim sim("shop", "orders");
  const Json spec = {
      {"consumers",
       {{"scaleTargetRef", {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", "worker"}}},
        {"maxReplicas", 5},
        {"target", {{"backlogPerReplica", 10}}}}}};
  sim.put_queue("orders", spec);
  ASSERT_TRUE(sim.settle());
  run(sim, 31);
  ASSERT_EQ(sim.condition("orders", "Stalled"), "False NoObstacle");
  Inputs inputs = sim.gather();
  ScalingResult result;
  result.state = ScalingState::kActive;
  result.reason = "Idle";
  result.current = 2;
  result.desired = 2;
  inputs.scaling[{"orders", "default"}] = result;
  for (const Action& action : reconcile(inputs).actions) {
    if (const auto* status = std::get_if<ApplyStatus>(&action)) {
      ASSERT_TRUE(sim.api.apply_status(status->object, kStatusManager).has_value());
    }
  }
  ASSERT_EQ(integer_at(*sim.queue("orders"), {"status", "consumers", "current"}), 2);
  // Another process, whose autoscaler has not looked yet.
  sim.restart();
  EXPECT_TRUE(reconcile(sim.gather()).actions.empty());
}

}  // namespace
}  // namespace sluice::reconcile
