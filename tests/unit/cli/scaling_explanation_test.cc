#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/wall_text.h"
#include "cli/scaling/explanation.h"
#include "operator/autoscale/reason.h"
#include "tests/support/status_matchers.h"

namespace sluice::cli::scaling {
namespace {

using namespace std::chrono_literals;
using sluice::test::IsOk;
using testing::HasSubstr;
using testing::Not;

nlohmann::json queue() {
  return nlohmann::json::parse(R"({
    "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
    "metadata": {"name": "orders", "namespace": "shop"},
    "spec": {"consumers": {"scaleTargetRef": {"name": "orders-worker"}}},
    "status": {
      "conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "y"},
                     {"type": "ScalingActive", "status": "True"}],
      "subscriptions": [{"name": "default", "ready": 8120, "inFlight": 200,
        "oldestMessageAge": "41s",
        "consumers": {"current": 20, "desired": 50, "reason": "BacklogPerReplica",
          "limitedBy": "MaxReplicas", "message": "ready 8120, in flight 200",
          "lastScaleTime": "2026-03-02T09:12:44Z"}}]}})");
}

base::WallTime now() { return *base::parse_wall("2026-03-02T09:13:14Z"); }

TEST(Explanation, TellsADecisionInSentences) {
  const auto told = explain_status(queue(), "", now());
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(told->text,
            "orders/default: Deployment orders-worker has 20 replicas and is to have 50\n"
            "  Reason BacklogPerReplica: the backlog for each replica asks for most.\n"
            "  Limited by MaxReplicas: maxReplicas allows no more.\n"
            "  Numbers: ready 8120, in flight 200.\n"
            "  Last scaled 2026-03-02T09:12:44Z, 30s ago.\n");
  EXPECT_EQ(told->json["subscriptions"][0]["desired"], 50);
  EXPECT_EQ(told->json["subscriptions"][0]["ready"], 8120);
  EXPECT_EQ(told->json["namespace"], "shop");
}

TEST(Explanation, EveryReasonAndLimitHasItsSentence) {
  for (const autoscale::Reason reason : autoscale::kReasons) {
    nlohmann::json object = queue();
    auto& consumers = object["status"]["subscriptions"][0]["consumers"];
    consumers["reason"] = autoscale::to_string(reason);
    const auto told = explain_status(object, "", now());
    ASSERT_THAT(told, IsOk());
    EXPECT_THAT(told->text, HasSubstr(std::string(autoscale::sentence_of(reason))));
  }
  nlohmann::json object = queue();
  object["status"]["subscriptions"][0]["consumers"]["reason"] = "OfALaterVersion";
  EXPECT_THAT(explain_status(object, "", now())->text, HasSubstr("Reason OfALaterVersion.\n"));
}

TEST(Explanation, OneReplicaIsAsItShould) {
  nlohmann::json object = queue();
  auto& consumers = object["status"]["subscriptions"][0]["consumers"];
  consumers["current"] = consumers["desired"] = 1;
  consumers["limitedBy"] = "";
  const auto told = explain_status(object, "default", now());
  EXPECT_THAT(told->text, HasSubstr("has 1 replica, as it should\n"));
  EXPECT_THAT(told->text, Not(HasSubstr("Limited")));
}

TEST(Explanation, BeforeTheFirstDecisionAndWithoutATarget) {
  nlohmann::json object = queue();
  object["status"]["subscriptions"][0].erase("consumers");
  object["status"]["conditions"][1] = {{"type", "ScalingActive"},
                                       {"status", "Unknown"},
                                       {"reason", "NotYet"},
                                       {"message", "it is new"}};
  const auto told = explain_status(object, "", now());
  ASSERT_THAT(told, IsOk());
  EXPECT_THAT(told->text, HasSubstr("has decided nothing about Deployment orders-worker yet"));
  EXPECT_THAT(told->text, HasSubstr("condition ScalingActive is Unknown, NotYet: it is new"));
  EXPECT_THAT(told->text, Not(HasSubstr("Ready")));

  object = queue();
  auto& consumers = object["status"]["subscriptions"][0]["consumers"];
  consumers.erase("current");
  consumers["reason"] = "TargetNotFound";
  EXPECT_THAT(explain_status(object, "", now())->text, HasSubstr("is not scaled\n"));
  object.erase("status");
  EXPECT_THAT(explain_status(object, "", now()), IsOk());
}

TEST(Explanation, SaysWhereNothingIsScaled) {
  nlohmann::json object = queue();
  EXPECT_THAT(explain_status(object, "audit", now()).error().message(), HasSubstr("audit"));
  object["spec"].erase("consumers");
  EXPECT_THAT(explain_status(object, "", now()).error().message(), HasSubstr("spec.consumers"));
  EXPECT_FALSE(explain_status(nlohmann::json::array(), "", now()).has_value());
  EXPECT_FALSE(explain_status({{"kind", "Pod"}}, "", now()).has_value());
}

NamedPolicy policy() {
  NamedPolicy of{"orders", "default", {}};
  of.policy.scale_target_ref.name = "orders-worker";
  of.policy.max_replicas = 50;
  of.policy.target = {100, base::Millis(30s), base::Millis(300s)};
  return of;
}

nlohmann::json statistics(std::uint64_t ready) {
  return {{"name", "orders"},
          {"settings", {{"paused", false}}},
          {"subscriptions",
           {{{"name", "default"},
             {"messages", {{"ready", ready}, {"inFlight", 0}}},
             {"oldestMessageAgeSeconds", 12.25}}}}};
}

TEST(Explanation, TellsWhatWouldBeDecidedNow) {
  const auto told = explain_now(policy(), statistics(500), 2);
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(told->text,
            "orders/default: Deployment orders-worker with 2 replicas should have 5\n"
            "  500 ready, 0 in flight, the oldest 12s old.\n"
            "  backlogPerReplica 100 asks for 5 (500 messages, 100 each).\n"
            "  oldestMessageAge 30s asks for 2 (the oldest is 12s old).\n"
            "  drainWithin 5m asks for 2 (how much a replica gets done is not known yet).\n"
            "  Reason BacklogPerReplica: the backlog for each replica asks for most.\n");
  EXPECT_EQ(told->json["answers"][0]["asksFor"], 5);
}

TEST(Explanation, FewerWouldWait) {
  const auto told = explain_now(policy(), statistics(0), 2);
  ASSERT_THAT(told, IsOk());
  EXPECT_THAT(told->text, HasSubstr("with 2 replicas should have 0\n"));
  EXPECT_THAT(told->text, HasSubstr("stabilization 1m, idleBeforeZero 1m, at most 50 %"));
}

TEST(Explanation, APausedQueueHoldsAndAMissingOneIsNamed) {
  nlohmann::json paused = statistics(500);
  paused["settings"]["paused"] = true;
  EXPECT_EQ(explain_now(policy(), paused, 2)->json["reason"], "QueuePaused");
  nlohmann::json other = statistics(500);
  other["subscriptions"][0]["name"] = "audit";
  EXPECT_THAT(explain_now(policy(), other, 2).error().message(), HasSubstr("no subscription"));
}

}  // namespace
}  // namespace sluice::cli::scaling
