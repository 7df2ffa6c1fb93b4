#include "operator/reconcile/deletion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "tests/support/kstatus.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::OperatorSim;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Json policy(const char* name) { return {{"deletionPolicy", name}}; }

// A broker with one Queue and seven messages.
struct OneQueue {
  explicit OneQueue(const Json& spec) {
    sim.put_queue("orders", spec);
    EXPECT_TRUE(sim.settle());
    sim.brokers.set_messages("shop", "orders-0", "orders", 7);
  }
  const Json* claim() const {
    return sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0");
  }
  OperatorSim sim{"shop", "orders"};
};

// Its messages would go with the volume when the pod starts anew.
TEST(Deletion, WhatJoinsWhileTheVolumesOfTheLastQueueGoIsMadeAnewAfterThem) {
  OneQueue one(policy("Delete"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle(1));
  ASSERT_TRUE(is_being_removed(*one.claim()));
  ASSERT_NE(one.sim.api.find(kube::kStatefulSets, "shop", "orders"), nullptr);
  const std::string doomed = kube::uid_of(*one.claim());
  one.sim.put_queue("later", {{"broker", {{"name", "orders"}}}});
  one.sim.run_once();
  EXPECT_EQ(one.sim.condition("later", "Ready"), "Unknown VolumeTerminating");
  EXPECT_EQ(one.sim.brokers.messages("shop", "orders-0", "later"), -1);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
  EXPECT_EQ(one.sim.condition("later", "Ready"), "True QueueReady");
  EXPECT_NE(kube::uid_of(*one.claim()), doomed);
  EXPECT_EQ(one.sim.brokers.messages("shop", "orders-0", "later"), 0);
  EXPECT_EQ(one.sim.brokers.messages("shop", "orders-0", "orders"), -1);
}

TEST(Deletion, RetainKeepsVolumesAndKeysAndNothingElse) {
  OneQueue one(Json::object());
  const std::string uid = kube::uid_of(*one.sim.queue("orders"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
  EXPECT_EQ(one.sim.api.all().size(), 5U);  // the volume and four Secrets
  EXPECT_EQ(annotation(*one.claim(), kRetainedFromAnnotation), uid);
  for (const Json* secret : one.sim.api.all(kube::kSecrets)) {
    EXPECT_EQ(annotation(*secret, kRetainedFromAnnotation), uid);
    EXPECT_FALSE((*secret)["metadata"].contains("ownerReferences"));
  }
  EXPECT_EQ(one.sim.brokers.lost_messages, 0U);
  EXPECT_THAT(one.sim.events, Contains("Normal DataRetained"));
}

TEST(Deletion, ANewQueueOfThatNameDoesNotGetRetainedDataUnasked) {
  OneQueue one(Json::object());
  const std::string uid = kube::uid_of(*one.sim.queue("orders"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  const std::string before = one.sim.picture();
  one.sim.put_queue("orders", Json::object());
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  EXPECT_EQ(text_at(*one.sim.queue("orders"), {"status", "retained", "uid"}), uid);
  EXPECT_EQ(one.sim.api.find(kube::kStatefulSets, "shop", "orders"), nullptr);
  // Nor is it destroyed by the way.
  one.sim.put_queue("orders", policy("Delete"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.picture(), before);
}

TEST(Deletion, AdoptedDataIsThereWithTheSameKeys) {
  OneQueue one(Json::object());
  const std::string uid = kube::uid_of(*one.sim.queue("orders"));
  const Json keys = (*one.sim.api.find(kube::kSecrets, "shop", "orders-access"))["data"];
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  one.sim.put_queue("orders", Json::object(), {{"sluice.dev/adopt", "wrong"}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  one.sim.put_queue("orders", Json::object(), {{"sluice.dev/adopt", uid}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(one.sim.brokers.messages("shop", "orders-0", "orders"), 7);
  EXPECT_EQ((*one.sim.api.find(kube::kSecrets, "shop", "orders-access"))["data"], keys);
  EXPECT_EQ(annotation(*one.claim(), kRetainedFromAnnotation), "");
  EXPECT_THAT(one.sim.events, Contains("Normal DataAdopted"));
}

TEST(Deletion, AdoptionNeedsAsManyShards) {
  OneQueue one(Json{{"shards", 2}});
  const std::string uid = kube::uid_of(*one.sim.queue("orders"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  one.sim.put_queue("orders", Json::object(), {{"sluice.dev/adopt", uid}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  one.sim.put_queue("orders", {{"shards", 2}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Ready"), "True QueueReady");
}

// Somebody took the finalizer away while the volumes were going.
TEST(Deletion, WhatIsLeftOfTheVolumesCanBeNamed) {
  OneQueue one(Json{{"shards", 2}});
  one.sim.api.erase(kube::kQueues, "shop", "orders");
  while (one.sim.controllers.step()) {
  }
  one.sim.api.erase(kube::kPersistentVolumeClaims, "shop", "data-orders-0");
  one.sim.put_queue("orders", {{"shards", 2}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  const Json* left = one.sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-1");
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(text_at(*one.sim.queue("orders"), {"status", "retained", "uid"}), kube::uid_of(*left));
}

TEST(Deletion, AVolumeThatNobodyNotedIsNotTakenEither) {
  OneQueue one(Json::object());
  // Somebody takes the finalizer away.
  one.sim.api.erase(kube::kQueues, "shop", "orders");
  while (one.sim.controllers.step()) {
  }
  ASSERT_NE(one.claim(), nullptr);
  one.sim.put_queue("orders", Json::object());
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  one.sim.put_queue("orders", Json::object(), {{"sluice.dev/adopt", kube::uid_of(*one.claim())}});
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(one.sim.brokers.messages("shop", "orders-0", "orders"), 7);
}

TEST(Deletion, DeleteOfTheLastQueueTakesTheVolumes) {
  OneQueue one(policy("Delete"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  EXPECT_TRUE(one.sim.api.all().empty());
  EXPECT_EQ(one.sim.brokers.lost_messages, 7U);
  // Nothing stands in the way of a new one.
  one.sim.put_queue("orders", Json::object());
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Ready"), "True QueueReady");
}

// The StatefulSet went without it, so that the volume grows, and nobody came to make another one.
TEST(Deletion, APodWithoutItsStatefulSetGoesToo) {
  for (const char* wanted : {"Delete", "Retain"}) {
    OneQueue one(policy(wanted));
    one.sim.api.change(kube::kPods, "shop", "orders-0",
                       [](Json& pod) { pod["metadata"].erase("ownerReferences"); });
    one.sim.api.erase(kube::kStatefulSets, "shop", "orders");
    one.sim.delete_queue("orders");
    ASSERT_TRUE(one.sim.settle());
    EXPECT_EQ(one.sim.api.find(kube::kPods, "shop", "orders-0"), nullptr) << wanted;
    EXPECT_EQ(one.sim.api.find(kube::kQueues, "shop", "orders"), nullptr) << wanted;
    EXPECT_EQ(one.claim() == nullptr, wanted == std::string_view("Delete")) << wanted;
  }
}

// The call that made it was given up, and came late: after the StatefulSet had been looked for.
TEST(Deletion, AStatefulSetThatIsNotSeenIsWaitedForWhereItsPodIs) {
  for (const bool pod_goes : {false, true}) {
    OneQueue one(policy("Delete"));
    one.sim.delete_queue("orders");
    Inputs inputs = one.sim.gather();
    Json pod = *inputs.live.find(kube::kPods, "orders-0");
    if (pod_goes) pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    LiveObjects live;
    live.add(*inputs.live.find(kube::kSecrets, broker_secret_name("orders")));
    live.add(pod);
    inputs.live = std::move(live);
    const Plan plan = reconcile(inputs);
    const bool lets_go = std::any_of(
        plan.actions.begin(), plan.actions.end(),
        [](const Action& action) { return to_string(action) == "Patch Queue shop/orders"; });
    EXPECT_EQ(lets_go, pod_goes);
    EXPECT_EQ(plan.requeue_after.has_value(), !pod_goes);
  }
}

TEST(Deletion, DeleteIfEmptyWaitsUntilItIs) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  one.sim.advance(std::chrono::hours(24));
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.condition("orders", "Stalled"), "True NotEmpty");
  EXPECT_THAT(one.sim.events, Contains("Warning NotEmpty"));
  one.sim.brokers.set_messages("shop", "orders-0", "orders", 0);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_TRUE(one.sim.api.all().empty());
  EXPECT_EQ(one.sim.brokers.lost_messages, 0U);
}

TEST(Deletion, UnknownIsNotEmpty) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.brokers.set_messages("shop", "orders-0", "orders", 0);
  one.sim.brokers.reachable = false;
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(one.sim.queue("orders"), nullptr);
  // It is bounded, and then the data stays.
  one.sim.advance(kDeletionPatience);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
  ASSERT_NE(one.claim(), nullptr);
  EXPECT_NE(annotation(*one.claim(), kRetainedFromAnnotation), "");
  EXPECT_THAT(one.sim.events, Contains("Warning DeletionReleased"));
}

// Whoever takes over has another date. The clocks of the nodes do not matter for how long a broker
// is waited for.
TEST(Deletion, ABrokerIsWaitedForByTheClockOfTheProcessAndNotByTheDate) {
  for (const base::Millis off : {base::Millis(-86'400'000), base::Millis(86'400'000)}) {
    OneQueue one(policy("DeleteIfEmpty"));
    one.sim.brokers.reachable = false;
    one.sim.delete_queue("orders");
    ASSERT_TRUE(one.sim.settle());
    one.sim.clock_offset = off;
    one.sim.restart();
    ASSERT_TRUE(one.sim.settle());
    one.sim.advance(kDeletionPatience - std::chrono::seconds(30));
    ASSERT_TRUE(one.sim.settle());
    EXPECT_NE(one.sim.queue("orders"), nullptr) << "given up early, off by " << off.count();
    one.sim.advance(std::chrono::seconds(30));
    ASSERT_TRUE(one.sim.settle());
    EXPECT_EQ(one.sim.queue("orders"), nullptr) << "waits for ever, off by " << off.count();
  }
}

// None of them lives for five minutes, and their dates differ.
TEST(Deletion, LeadersThatChangeAllTheTimeGoOnWaitingTogether) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.brokers.reachable = false;
  one.sim.delete_queue("orders");
  int terms = 0;
  for (; terms < 20 && one.sim.queue("orders") != nullptr; ++terms) {
    one.sim.restart();
    one.sim.clock_offset = base::Millis((terms % 3 - 1) * 86'400'000);
    ASSERT_TRUE(one.sim.settle());
    one.sim.advance(std::chrono::seconds(30));
    ASSERT_TRUE(one.sim.settle());
  }
  EXPECT_EQ(one.sim.queue("orders"), nullptr) << "waits for ever";
  EXPECT_GE(terms, 8) << "given up early";
  ASSERT_NE(one.claim(), nullptr);
  EXPECT_NE(annotation(*one.claim(), kRetainedFromAnnotation), "");
}

TEST(Deletion, WhoTakesOverTriesForAWhileItself) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.brokers.reachable = false;
  one.sim.delete_queue("orders");
  one.sim.api.change(kube::kQueues, "shop", "orders", [](Json& queue) {
    queue["metadata"]["annotations"][kWaitedAnnotation] = kube::uid_of(queue) + "/300";
  });
  one.sim.run_once();
  one.sim.advance(kConnectGrace - std::chrono::seconds(1));
  one.sim.run_once();
  EXPECT_NE(one.sim.queue("orders"), nullptr);
  one.sim.advance(std::chrono::seconds(1));
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
}

TEST(Deletion, WhatWasWaitedIsForgottenWhenTheBrokerIsHeard) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.brokers.reachable = false;
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  one.sim.advance(kDeletionPatience - std::chrono::seconds(20));
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(annotation(*one.sim.queue("orders"), kWaitedAnnotation), "");
  one.sim.brokers.reachable = true;
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(annotation(*one.sim.queue("orders"), kWaitedAnnotation), "");
  one.sim.brokers.reachable = false;
  one.sim.restart();
  ASSERT_TRUE(one.sim.settle());
  one.sim.advance(kDeletionPatience / 2);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(one.sim.queue("orders"), nullptr);
}

// What takes it away may be refused, or the view may show the Queue as it was before.
TEST(Deletion, WhatWasWaitedDoesNotComeBackWithAnOldNote) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.delete_queue("orders");
  one.sim.brokers.reachable = true;
  one.sim.run_once(0);  // it is heard, and nothing is written
  one.sim.brokers.reachable = false;
  one.sim.api.change(kube::kQueues, "shop", "orders", [](Json& queue) {
    queue["metadata"]["annotations"][kWaitedAnnotation] = kube::uid_of(queue) + "/200";
  });
  ASSERT_TRUE(one.sim.settle());
  const std::string note = annotation(*one.sim.queue("orders"), kWaitedAnnotation);
  EXPECT_EQ(note, kube::uid_of(*one.sim.queue("orders")) + "/0");
  one.sim.advance(kDeletionPatience - std::chrono::seconds(200));
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(one.sim.queue("orders"), nullptr);
}

// Copied with another Queue's manifest, or written by somebody.
TEST(Deletion, WhatAnotherQueueHasWaitedDoesNotCount) {
  for (const char* text : {"another/300", "300", "/300", "another/", "another/-1", "another/3x"}) {
    OneQueue one(policy("DeleteIfEmpty"));
    one.sim.brokers.reachable = false;
    one.sim.delete_queue("orders");
    one.sim.api.change(kube::kQueues, "shop", "orders", [&](Json& queue) {
      std::string value = text;
      if (value == "another/-1" || value == "another/3x") {
        value.replace(0, value.find('/'), kube::uid_of(queue));
      }
      queue["metadata"]["annotations"][kWaitedAnnotation] = value;
    });
    ASSERT_TRUE(one.sim.settle());
    one.sim.advance(kDeletionPatience / 2);
    ASSERT_TRUE(one.sim.settle());
    EXPECT_NE(one.sim.queue("orders"), nullptr) << text;
  }
}

// It was accepted, and then disagreed, before the objects that prove it were seen.
TEST(Deletion, AQueueWithOurFinalizerKeepsTheVolumes) {
  OperatorSim sim("shop", "main");
  Json first = policy("Delete");
  first["broker"] = {{"name", "main"}, {"storage", {{"size", "10Gi"}}}};
  sim.put_queue("a", first);
  ASSERT_TRUE(sim.settle());
  Json second = first;
  second["broker"]["storage"]["size"] = "20Gi";
  sim.put_queue("b", second);
  ASSERT_TRUE(sim.settle());
  ASSERT_EQ(sim.condition("b", "Stalled"), "True BrokerConflict");
  sim.api.change(kube::kQueues, "shop", "b",
                 [](Json& queue) { queue["metadata"]["finalizers"] = {kFinalizer}; });
  const std::string volume =
      kube::uid_of(*sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-main-0"));
  sim.delete_queue("a");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.queue("a"), nullptr);
  const Json* claim = sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-main-0");
  ASSERT_NE(claim, nullptr);
  EXPECT_EQ(kube::uid_of(*claim), volume);
}

// All of them have waited, and not each after the other.
TEST(Deletion, QueuesOfOneBrokerWaitTogether) {
  OperatorSim sim("shop", "main");
  const std::vector<std::string> names = {"a", "b", "c"};
  for (const std::string& name : names) {
    Json spec = policy("DeleteIfEmpty");
    spec["broker"] = {{"name", "main"}};
    sim.put_queue(name, spec);
  }
  ASSERT_TRUE(sim.settle());
  sim.brokers.reachable = false;
  for (const std::string& name : names) sim.delete_queue(name);
  ASSERT_TRUE(sim.settle());
  sim.advance(kDeletionPatience + std::chrono::seconds(5));
  ASSERT_TRUE(sim.settle());
  for (const std::string& name : names) EXPECT_EQ(sim.queue(name), nullptr) << name;
}

// A pod that restarts is away for seconds, also where the deletion has waited for hours.
TEST(Deletion, PatienceBeginsAnewWheneverTheBrokerIsHeard) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.delete_queue("orders");
  ASSERT_TRUE(one.sim.settle());
  one.sim.advance(std::chrono::hours(3));
  one.sim.brokers.reachable = false;
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(one.sim.queue("orders"), nullptr);
  one.sim.advance(kDeletionPatience / 2);
  one.sim.brokers.reachable = true;
  ASSERT_TRUE(one.sim.settle());
  one.sim.brokers.reachable = false;
  ASSERT_TRUE(one.sim.settle());
  one.sim.advance(kDeletionPatience / 2);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_NE(one.sim.queue("orders"), nullptr);
  one.sim.brokers.reachable = true;
  one.sim.brokers.set_messages("shop", "orders-0", "orders", 0);
  ASSERT_TRUE(one.sim.settle());
  EXPECT_TRUE(one.sim.api.all().empty());
}

TEST(Deletion, AMissingBrokerHoldsNothingUp) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.delete_queue("orders");
  one.sim.api.erase(kube::kStatefulSets, "shop", "orders");
  ASSERT_TRUE(one.sim.settle());
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
  EXPECT_NE(one.claim(), nullptr);
  EXPECT_THAT(one.sim.events, Contains("Warning DeletionReleased"));
}

TEST(Deletion, ANamespaceThatGoesHoldsNothingUp) {
  OneQueue one(policy("DeleteIfEmpty"));
  one.sim.namespace_terminating = true;
  one.sim.delete_queue("orders");
  one.sim.run_once();
  EXPECT_EQ(one.sim.queue("orders"), nullptr);
  EXPECT_THAT(one.sim.events, Contains("Warning DeletionReleased"));
}

// Two Queues on one broker.
struct TwoQueues {
  TwoQueues(Json first, Json second) {
    first["broker"]["name"] = "main";
    second["broker"]["name"] = "main";
    sim.put_queue("orders", first);
    sim.put_queue("emails", second);
    EXPECT_TRUE(sim.settle());
    sim.brokers.set_messages("shop", "main-0", "orders", 7);
    sim.brokers.set_messages("shop", "main-0", "emails", 5);
  }
  OperatorSim sim{"shop", "main"};
};

TEST(Deletion, OneOfTwoDoesNotDisturbTheOther) {
  TwoQueues two(policy("Delete"), Json::object());
  const std::string pod = kube::uid_of(*two.sim.api.find(kube::kPods, "shop", "main-0"));
  two.sim.delete_queue("orders");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("orders"), nullptr);
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), -1);
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "emails"), 5);
  EXPECT_EQ(kube::uid_of(*two.sim.api.find(kube::kPods, "shop", "main-0")), pod);
  EXPECT_EQ(two.sim.condition("emails", "Ready"), "True QueueReady");
  EXPECT_THAT(two.sim.log, Not(Contains(HasSubstr("Remove StatefulSet"))));
}

// What somebody writes into the ConfigMap meanwhile is not what was looked at.
TEST(Deletion, SettingsAreTakenOutOfTheConfigMapThatWasLookedAt) {
  for (const char* name : {"Delete", "DeleteIfEmpty"}) {
    TwoQueues two(policy(name), Json::object());
    two.sim.brokers.set_messages("shop", "main-0", "orders", 0);
    two.sim.delete_queue("orders");
    while (two.sim.queue("orders") != nullptr) {
      const Plan plan = reconcile(two.sim.gather());
      std::size_t writes = 0;
      for (const Action& action : plan.actions) {
        const auto* apply = std::get_if<Apply>(&action);
        if (apply != nullptr && apply->object.value("kind", "") == "ConfigMap") ++writes;
        const auto* patch = std::get_if<Patch>(&action);
        if (patch == nullptr || patch->ref.type != &kube::kConfigMaps) continue;
        ++writes;
        EXPECT_FALSE(kube::resource_version_of(patch->patch).empty()) << name;
      }
      EXPECT_LE(writes, 1U) << "the second one looks at a version that is gone";
      two.sim.run_once();
      two.sim.controllers.step();
      two.sim.brokers.step();
    }
    ASSERT_TRUE(two.sim.settle());
    const Json* config = two.sim.api.find(kube::kConfigMaps, "shop", queues_config_name("main"));
    ASSERT_NE(config, nullptr);
    EXPECT_FALSE((*config)["data"].contains(manifest_file("orders")));
    EXPECT_TRUE((*config)["data"].contains(manifest_file("emails")));
    EXPECT_THAT(two.sim.log, Not(Contains(HasSubstr("failed"))));
  }
}

TEST(Deletion, ARetainedQueueStaysInTheLogOfABrokerThatGoesOn) {
  TwoQueues two(Json::object(), Json::object());
  const std::string uid = kube::uid_of(*two.sim.queue("orders"));
  two.sim.delete_queue("orders");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
  two.sim.put_queue("orders", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  EXPECT_EQ(two.sim.condition("emails", "Ready"), "True QueueReady");
  two.sim.put_queue("orders", {{"broker", {{"name", "main"}}}}, {{"sluice.dev/adopt", uid}});
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
}

TEST(Deletion, WhatIsRetainedOutlivesTheDeletionOfTheLastQueue) {
  TwoQueues two(Json::object(), policy("Delete"));
  two.sim.delete_queue("orders");
  ASSERT_TRUE(two.sim.settle());
  two.sim.delete_queue("emails");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("emails"), nullptr);
  EXPECT_NE(two.sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-main-0"), nullptr);
  EXPECT_EQ(two.sim.brokers.lost_messages, 5U);
}

// Somebody takes the finalizer of one away: nothing was said about its messages.
struct Vanished : TwoQueues {
  explicit Vanished(const Json& other) : TwoQueues(Json::object(), other) {
    uid = kube::uid_of(*sim.queue("orders"));
  }
  const Json* claim() const {
    return sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-main-0");
  }
  std::string uid;
};

TEST(Deletion, AQueueThatVanishedIsRetained) {
  Vanished two(policy("Delete"));
  two.sim.api.erase(kube::kQueues, "shop", "orders");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(annotation(*two.claim(), kRetainedFromAnnotation), two.uid);
  EXPECT_THAT(two.sim.events, Contains("Warning DataRetained"));
  EXPECT_EQ(two.sim.condition("emails", "Ready"), "True QueueReady");
  two.sim.delete_queue("emails");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("emails"), nullptr);
  ASSERT_NE(two.claim(), nullptr);
  EXPECT_EQ(two.sim.brokers.lost_messages, 5U);
  two.sim.put_queue("orders", {{"broker", {{"name", "main"}}}}, {{"sluice.dev/adopt", two.uid}});
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
}

TEST(Deletion, AQueueThatVanishedIsRetainedAlsoWhereTheLastOneGoesAtTheSameTime) {
  for (const bool reachable : {true, false}) {
    Vanished two(policy("Delete"));
    two.sim.brokers.reachable = reachable;
    two.sim.api.erase(kube::kQueues, "shop", "orders");
    two.sim.delete_queue("emails");
    ASSERT_TRUE(two.sim.settle());
    two.sim.advance(kDeletionPatience);
    ASSERT_TRUE(two.sim.settle());
    EXPECT_EQ(two.sim.queue("emails"), nullptr);
    ASSERT_NE(two.claim(), nullptr);
    EXPECT_EQ(two.sim.brokers.lost_messages, reachable ? 5U : 0U);
  }
}

TEST(Deletion, AQueueThatVanishedIsNotTakenOverUnasked) {
  Vanished two(Json::object());
  two.sim.api.erase(kube::kQueues, "shop", "orders");
  const Json spec = {{"broker", {{"name", "main"}}}, {"deletionPolicy", "Delete"}};
  two.sim.put_queue("orders", spec);
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.condition("orders", "Stalled"), "True RetainedDataExists");
  EXPECT_EQ(text_at(*two.sim.queue("orders"), {"status", "retained", "uid"}), two.uid);
  two.sim.delete_queue("orders");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("orders"), nullptr);
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
  two.sim.put_queue("orders", spec, {{"sluice.dev/adopt", two.uid}});
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
}

// The operator let it go, another finalizer did not; then ours was taken before the deletion.
TEST(Deletion, AQueueThatIsHeldByOthersOnlyIsRetained) {
  Vanished two(policy("Delete"));
  two.sim.api.change(kube::kQueues, "shop", "orders", [](Json& object) {
    object["metadata"]["finalizers"] = {"example.com/theirs"};
    object["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:20Z";
  });
  two.sim.delete_queue("emails");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("emails"), nullptr);
  ASSERT_NE(two.claim(), nullptr);
  EXPECT_EQ(annotation(*two.claim(), kRetainedFromAnnotation), two.uid);
}

TEST(Deletion, AQueueThatVanishedIsRetainedAlsoWhereItsSettingsVanishedToo) {
  Vanished two(policy("Delete"));
  two.sim.brokers.reachable = false;
  two.sim.delete_queue("emails");
  two.sim.api.erase(kube::kConfigMaps, "shop", queues_config_name("main"));
  two.sim.api.erase(kube::kQueues, "shop", "orders");
  ASSERT_TRUE(two.sim.settle());
  two.sim.advance(kDeletionPatience);
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(two.sim.queue("emails"), nullptr);
  ASSERT_NE(two.claim(), nullptr);
  EXPECT_THAT(annotation(*two.claim(), kRetainedFromAnnotation), HasSubstr(two.uid));
}

// Neither the settings nor the broker tell of it yet, which a process that has just begun will
// hear.
TEST(Deletion, WhoJustBeganAsksTheBrokerBeforeAQueueCountsAsVanished) {
  for (const bool has_config : {false, true}) {
    Vanished two(policy("DeleteIfEmpty"));
    two.sim.delete_queue("emails");
    Inputs inputs = two.sim.gather();
    std::erase_if(inputs.queues, [](const Json& one) { return kube::name_of(one) == "orders"; });
    if (!has_config) {
      LiveObjects live;
      for (const kube::ResourceType* type :
           {&kube::kStatefulSets, &kube::kPods, &kube::kSecrets, &kube::kPersistentVolumeClaims}) {
        for (const Json* object : inputs.live.of_type(*type)) live.add(*object);
      }
      inputs.live = std::move(live);
    }
    inputs.shards.front() = {};
    inputs.shards.front().trying_since = inputs.now.mono;
    const Plan early = reconcile(inputs);
    EXPECT_TRUE(early.actions.empty()) << to_string(early.actions.front());
    EXPECT_EQ(early.requeue_after, kConnectGrace);
    inputs.now.mono = inputs.now.mono + base::Nanos(kConnectGrace);
    std::vector<std::string> lines;
    for (const Action& action : reconcile(inputs).actions) lines.push_back(to_string(action));
    EXPECT_THAT(lines, Contains(HasSubstr("Patch PersistentVolumeClaim")));
  }
}

// What a last Queue owned goes piece by piece behind it; its own end is no reason to keep anything.
TEST(Deletion, WhatIsLeftOfALastQueueThatWentInOrderIsNotRetained) {
  Vanished two(policy("Delete"));
  two.sim.brokers.reachable = false;
  two.sim.delete_queue("emails");
  Inputs inputs = two.sim.gather();
  for (const bool has_set : {true, false}) {
    LiveObjects live;
    for (const kube::ResourceType* type : {&kube::kServices, &kube::kPersistentVolumeClaims}) {
      for (const Json* object : inputs.live.of_type(*type)) live.add(*object);
    }
    if (has_set) live.add(*inputs.live.find(kube::kStatefulSets, "main"));
    Inputs later = inputs;
    std::erase_if(later.queues, [](const Json& one) { return kube::name_of(one) == "orders"; });
    later.live = std::move(live);
    const Plan plan = reconcile(later);
    const bool noted =
        std::any_of(plan.actions.begin(), plan.actions.end(), [&](const Action& action) {
          const auto* patch = std::get_if<Patch>(&action);
          return patch != nullptr && patch->patch.dump().find(two.uid) != std::string::npos;
        });
    EXPECT_EQ(noted, has_set);
  }
}

TEST(Deletion, OfAQueueThatVanishedEmptyNothingIsRetained) {
  Vanished two(policy("Delete"));
  two.sim.brokers.set_messages("shop", "main-0", "orders", 0);
  two.sim.api.erase(kube::kQueues, "shop", "orders");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_EQ(annotation(*two.claim(), kRetainedFromAnnotation), "");
  two.sim.delete_queue("emails");
  ASSERT_TRUE(two.sim.settle());
  EXPECT_TRUE(two.sim.api.all().empty());
}

TEST(Deletion, WhatWasRemovedInOrderDoesNotCountAsVanished) {
  for (const char* name : {"Delete", "DeleteIfEmpty"}) {
    TwoQueues two(policy(name), policy("Delete"));
    two.sim.brokers.set_messages("shop", "main-0", "orders", 0);
    two.sim.delete_queue("orders");
    while (two.sim.queue("orders") != nullptr) {
      two.sim.run_once();
      two.sim.controllers.step();
      two.sim.brokers.step();
    }
    two.sim.brokers.reachable = false;
    ASSERT_TRUE(two.sim.settle());
    two.sim.delete_queue("emails");
    ASSERT_TRUE(two.sim.settle());
    EXPECT_TRUE(two.sim.api.all().empty()) << name;
  }
}

// The view of Queues was behind, and the plan for the other one left it out everywhere.
struct LeftOut {
  explicit LeftOut(const Json& spec) : two(Json::object(), spec) {
    two.sim.delete_queue("emails");
    const std::string uid = kube::uid_of(*two.sim.queue("emails"));
    Inputs inputs = two.sim.gather();
    LiveObjects live;
    for (const kube::ResourceType* type :
         {&kube::kStatefulSets, &kube::kServices, &kube::kConfigMaps, &kube::kSecrets,
          &kube::kPersistentVolumeClaims, &kube::kPods}) {
      for (const Json* object : inputs.live.of_type(*type)) {
        Json copy = *object;
        Json owners = Json::array();
        if (const Json* there = find_at(copy, {"metadata", "ownerReferences"})) {
          for (const Json& one : *there) {
            if (one["uid"] != uid) owners.push_back(one);
          }
        }
        copy["metadata"]["ownerReferences"] = std::move(owners);
        if (copy["kind"] == "ConfigMap") copy["data"].erase("emails.json");
        live.add(std::move(copy));
      }
    }
    inputs.live = std::move(live);
    plan = reconcile(inputs);
    for (const Action& action : plan.actions) lines.push_back(to_string(action));
  }
  TwoQueues two;
  Plan plan;
  std::vector<std::string> lines;
};

TEST(Deletion, RetainHoldsForAQueueThatAnotherPlanLeftOut) {
  const LeftOut left(Json::object());
  EXPECT_THAT(left.lines, Contains(HasSubstr("Patch PersistentVolumeClaim")));
}

TEST(Deletion, DeleteHoldsForAQueueThatAnotherPlanLeftOut) {
  const LeftOut left(policy("Delete"));
  EXPECT_THAT(left.lines, Contains(HasSubstr("RemoveQueue")));
  EXPECT_THAT(left.lines, Not(Contains(HasSubstr("Patch Queue shop/emails"))));
}

TEST(Deletion, AShardThatWasScaledAwayIsNotEmpty) {
  OneQueue one(Json{{"shards", 2}, {"deletionPolicy", "DeleteIfEmpty"}});
  one.sim.brokers.set_messages("shop", "orders-0", "orders", 0);
  one.sim.brokers.set_messages("shop", "orders-1", "orders", 3);
  one.sim.delete_queue("orders");
  Inputs inputs = one.sim.gather();
  Json set = *inputs.live.find(kube::kStatefulSets, "orders");
  set["spec"]["replicas"] = 1;
  inputs.live.add(std::move(set));
  inputs.shards.resize(1);
  auto without = std::make_shared<link::BrokerObservation>(*inputs.shards[0].observation);
  without->queues.clear();
  inputs.shards[0].observation = without;
  for (const Action& action : reconcile(inputs).actions) {
    EXPECT_FALSE(std::holds_alternative<Remove>(action)) << to_string(action);
  }
}

TEST(Deletion, VolumesWithNotesThatCannotBeReadAreNotTaken) {
  OneQueue one(policy("Delete"));
  one.sim.delete_queue("orders");
  Inputs inputs = one.sim.gather();
  Json claim = *one.claim();
  claim["metadata"]["annotations"] = {{kRetainedFromAnnotation, "u-1"},
                                      {kRetainedQueuesAnnotation, "{\"emails\":{\"ui"}};
  inputs.live.add(std::move(claim));
  for (const Action& action : reconcile(inputs).actions) {
    EXPECT_FALSE(std::holds_alternative<Remove>(action)) << to_string(action);
  }
}

TEST(Deletion, CopiesOfVolumesStay) {
  OneQueue one(policy("Delete"));
  one.sim.delete_queue("orders");
  Inputs inputs = one.sim.gather();
  Json copy = *one.claim();
  copy["metadata"]["name"] = "data-orders-0-copy";
  inputs.live.add(std::move(copy));
  std::vector<std::string> lines;
  for (const Action& action : reconcile(inputs).actions) lines.push_back(to_string(action));
  EXPECT_THAT(lines, Contains(HasSubstr("data-orders-0")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("data-orders-0-copy"))));
}

// Nobody is left who has the ConfigMap applied; its entry would make the queue again.
TEST(Deletion, NoSettingsStayBehindWhereOnlyHeldQueuesAreLeft) {
  for (const char* name : {"Delete", "DeleteIfEmpty"}) {
    TwoQueues two(Json::object(), policy(name));
    two.sim.brokers.set_messages("shop", "main-0", "emails", 0);
    two.sim.put_queue("orders", {{"broker", {{"name", "main"}}}, {"shards", 99}});
    ASSERT_TRUE(two.sim.settle());
    ASSERT_EQ(two.sim.condition("orders", "Stalled"), "True InvalidSpec");
    two.sim.delete_queue("emails");
    ASSERT_TRUE(two.sim.settle());
    EXPECT_EQ(two.sim.queue("emails"), nullptr);
    const Json& data = (*two.sim.api.find(kube::kConfigMaps, "shop", "main-queues"))["data"];
    EXPECT_TRUE(data.contains("orders.json"));
    EXPECT_FALSE(data.contains("emails.json")) << name;
    EXPECT_EQ(two.sim.brokers.messages("shop", "main-0", "orders"), 7);
  }
}

}  // namespace
}  // namespace sluice::reconcile
