#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "operator/reconcile/names.h"
#include "tests/support/operator_sim.h"
#include "tests/support/thinning.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::OperatorSim;

// A life of a broker, in steps between which everything comes to rest; in the last one the operator
// dies after any of its actions and another one takes over.
struct Life {
  const char* name;
  std::function<void(OperatorSim&)> before;
  std::function<void(OperatorSim&)> step;
  std::uint64_t may_lose = 0;
};

void put(OperatorSim& sim, const std::string& name, Json spec) {
  spec["broker"]["name"] = "orders";
  sim.put_queue(name, spec);
}

void put_with_messages(OperatorSim& sim, const Json& spec) {
  put(sim, "orders", spec);
  put(sim, "emails", Json::object());
  ASSERT_TRUE(sim.settle());
  sim.brokers.set_messages("shop", "orders-0", "orders", 7);
  sim.brokers.set_messages("shop", "orders-0", "emails", 5);
}

const Life kLives[] = {
    {"create", [](OperatorSim&) {},
     [](OperatorSim& sim) {
       put(sim, "orders", {{"shards", 2}});
       put(sim, "emails", {{"shards", 2}});
     }},
    {"update", [](OperatorSim& sim) { put_with_messages(sim, Json::object()); },
     [](OperatorSim& sim) {
       put(sim, "orders",
           {{"delivery", {{"maxAttempts", 9}}},
            {"broker", {{"version", "2.0.0"}, {"storage", {{"size", "40Gi"}}}}}});
     }},
    {"rotate", [](OperatorSim& sim) { put_with_messages(sim, Json::object()); },
     [](OperatorSim& sim) {
       sim.api.change(kube::kQueues, "shop", "orders", [](Json& queue) {
         queue["metadata"]["annotations"]["sluice.dev/rotate-broker-key"] = "june";
       });
     }},
    {"delete one",
     [](OperatorSim& sim) {
       put_with_messages(sim, {{"deletionPolicy", "Delete"}});
     },
     [](OperatorSim& sim) { sim.delete_queue("orders"); }, 7},
    {"retain one", [](OperatorSim& sim) { put_with_messages(sim, Json::object()); },
     [](OperatorSim& sim) { sim.delete_queue("orders"); }},
    {"retain one and delete the other",
     [](OperatorSim& sim) {
       put_with_messages(sim, Json::object());
       put(sim, "emails", {{"deletionPolicy", "Delete"}});
       ASSERT_TRUE(sim.settle());
     },
     [](OperatorSim& sim) {
       sim.delete_queue("orders");
       sim.delete_queue("emails");
     },
     5},
    {"delete both",
     [](OperatorSim& sim) {
       put_with_messages(sim, {{"deletionPolicy", "Delete"}});
       put(sim, "emails", {{"deletionPolicy", "Delete"}});
       ASSERT_TRUE(sim.settle());
     },
     [](OperatorSim& sim) {
       sim.delete_queue("orders");
       sim.delete_queue("emails");
     },
     12},
    {"delete the last when it is empty",
     [](OperatorSim& sim) {
       put(sim, "orders", {{"deletionPolicy", "DeleteIfEmpty"}});
       ASSERT_TRUE(sim.settle());
     },
     [](OperatorSim& sim) { sim.delete_queue("orders"); }},
    {"retain the last",
     [](OperatorSim& sim) {
       put(sim, "orders", Json::object());
       ASSERT_TRUE(sim.settle());
       sim.brokers.set_messages("shop", "orders-0", "orders", 7);
     },
     [](OperatorSim& sim) { sim.delete_queue("orders"); }},
    {"adopt",
     [](OperatorSim& sim) {
       put(sim, "orders", Json::object());
       ASSERT_TRUE(sim.settle());
       sim.brokers.set_messages("shop", "orders-0", "orders", 7);
       sim.delete_queue("orders");
       ASSERT_TRUE(sim.settle());
     },
     [](OperatorSim& sim) {
       const Json* claim = sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0");
       ASSERT_NE(claim, nullptr);
       sim.put_queue(
           "orders", {{"broker", {{"name", "orders"}}}},
           {{"sluice.dev/adopt", (*claim)["metadata"]["annotations"]["sluice.dev/retained-from"]}});
     }},
};

void prepare(OperatorSim& sim, const Life& life) {
  sim.settle();
  life.before(sim);
  ASSERT_TRUE(sim.settle());
}

class Crash : public testing::TestWithParam<Life> {};

TEST_P(Crash, AfterAnyActionLeadsToTheSameEnd) {
  const Life& life = GetParam();
  OperatorSim calm("shop", "orders");
  prepare(calm, life);
  const std::size_t first = calm.actions_done;
  life.step(calm);
  ASSERT_TRUE(calm.settle());
  const std::size_t actions = calm.actions_done - first;
  ASSERT_GT(actions, 0U);
  EXPECT_EQ(calm.brokers.lost_messages, life.may_lose);

  for (std::size_t left = 0; left < actions; left += test::kStride) {
    const std::size_t n = actions - left;
    OperatorSim sim("shop", "orders");
    prepare(sim, life);
    std::set<std::string> sets;
    sim.api.on_write = [&](std::string_view verb, const kube::ObjectRef& ref) {
      if (ref.type == &kube::kStatefulSets && verb == "apply") sets.insert(ref.name);
    };
    life.step(sim);
    ASSERT_TRUE(sim.settle(n));
    const std::string last = sim.log.back();
    sim.restart();
    ASSERT_TRUE(sim.settle()) << "dead after " << last;
    EXPECT_EQ(sim.picture(), calm.picture()) << "dead after action " << n << ", " << last;
    EXPECT_EQ(sim.brokers.lost_messages, life.may_lose) << "dead after " << last;
    EXPECT_LE(sets.size(), 1U);
    EXPECT_THAT(sim.problems, testing::IsEmpty());
    const bool has_broker = sim.api.find(kube::kStatefulSets, "shop", "orders") != nullptr;
    EXPECT_EQ(has_broker ? sim.check_keys() : "", "") << "dead after " << last;
    if (HasFailure()) break;
  }
}

// Watches lag: plans are made from what was there some time ago.
TEST_P(Crash, CachesThatAreBehindLeadToTheSameEnd) {
  const Life& life = GetParam();
  OperatorSim calm("shop", "orders");
  prepare(calm, life);
  life.step(calm);
  ASSERT_TRUE(calm.settle());
  for (std::size_t lag = 1; lag <= 4; ++lag) {
    OperatorSim sim("shop", "orders");
    prepare(sim, life);
    sim.lag = lag;
    life.step(sim);
    ASSERT_TRUE(sim.settle()) << "lag " << lag << ", " << sim.log.back();
    EXPECT_EQ(sim.picture(), calm.picture()) << "lag " << lag;
    EXPECT_EQ(sim.brokers.lost_messages, life.may_lose) << "lag " << lag;
  }
}

INSTANTIATE_TEST_SUITE_P(Lives, Crash, testing::ValuesIn(kLives), [](const auto& one) {
  std::string name = one.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace sluice::reconcile
