#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "operator/reconcile/deletion.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/retained_data.h"
#include "operator/reconcile/unseen_queues.h"
#include "tests/support/operator_sim.h"

// What people write by hand into objects that the operator reads.
namespace sluice::reconcile {
namespace {

using kube::Json;
using test::OperatorSim;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> lines_of(const Plan& plan) {
  std::vector<std::string> lines;
  for (const Action& action : plan.actions) lines.push_back(to_string(action));
  return lines;
}

Json claim_of(const OperatorSim& sim, const std::string& name) {
  Json claim = *sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0");
  claim["metadata"]["name"] = name;
  claim["metadata"]["uid"] = "copy";
  return claim;
}

// Copies of volumes carry the labels and annotations of what they are copies of.
TEST(ForeignInput, ACopyOfAVolumeIsNoShardAndNoMeasure) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  Json copy = claim_of(sim, "data-orders-0-copy");
  copy["spec"]["resources"]["requests"]["storage"] = "2Ti";
  copy["spec"]["storageClassName"] = "archive";
  copy["metadata"]["annotations"] = {{kRetainedFromAnnotation, "u-1"},
                                     {kRetainedQueuesAnnotation, R"({"orders":{"uid":"u-1"}})"}};
  Inputs inputs = sim.gather();
  inputs.live.add(copy);
  inputs.live.add(claim_of(sim, "data-orders-00"));
  inputs.live.add(claim_of(sim, "data-orders-64"));
  EXPECT_THAT(lines_of(reconcile(inputs)), IsEmpty());
  EXPECT_EQ(read_retained(inputs).volumes, 1U);
}

TEST(ForeignInput, NotesWithoutAUidLetNobodyTakeDataOver) {
  OperatorSim sim("shop", "main");
  sim.put_queue("orders", {{"broker", {{"name", "main"}}}});
  sim.put_queue("emails", {{"broker", {{"name", "main"}}}});
  ASSERT_TRUE(sim.settle());
  sim.brokers.set_messages("shop", "main-0", "emails", 5);
  sim.delete_queue("emails");
  ASSERT_TRUE(sim.settle());
  for (const std::string& notes :
       {std::string(R"({"emails":{"uid":""}})"), std::string(R"({"emails":{}})"),
        R"({"emails":{"uid":")" + std::string(100, 'u') + "\"}}", std::string("[]")}) {
    sim.api.change(kube::kPersistentVolumeClaims, "shop", "data-main-0", [&](Json& claim) {
      claim["metadata"]["annotations"][std::string(kRetainedQueuesAnnotation)] = notes;
    });
    sim.put_queue("emails", {{"broker", {{"name", "main"}}}});
    ASSERT_TRUE(sim.settle());
    EXPECT_EQ(sim.condition("emails", "Stalled"), "True RetainedDataExists") << notes;
    sim.delete_queue("emails");
    ASSERT_TRUE(sim.settle());
  }
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
}

// The note of what was decided about is on a Secret, which people edit, copy and restore.
TEST(ForeignInput, NoNoteOnASecretDestroysWhatRetainKeeps) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  sim.delete_queue("orders");
  sim.api.erase(kube::kStatefulSets, "shop", "orders");
  sim.api.change(kube::kSecrets, "shop", "orders-broker", [](Json& secret) {
    secret["metadata"]["annotations"][std::string(kRetainedFromAnnotation)] = "of-another-time";
  });
  EXPECT_THAT(lines_of(reconcile(sim.gather())),
              Not(Contains(HasSubstr("Remove PersistentVolumeClaim"))));
  ASSERT_TRUE(sim.settle());
  EXPECT_NE(sim.api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0"), nullptr);
}

TEST(ForeignInput, AVersionThatIsNoTagIsNotTakenForTheNameOfAnImage) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object(),
                {{"sluice.dev/broker-version", "5000/somebody/elses:latest"}});
  ASSERT_TRUE(sim.settle());
  const Json& set = *sim.api.find(kube::kStatefulSets, "shop", "orders");
  EXPECT_EQ(set["spec"]["template"]["spec"]["containers"][0]["image"], "sluice:1.0.0");
}

TEST(ForeignInput, LongWordsFitTheStatus) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders",
                {{"consumers",
                  {{"scaleTargetRef",
                    {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", "worker"}}}}}});
  ASSERT_TRUE(sim.settle());
  Inputs inputs = sim.gather();
  ScalingResult result;
  result.state = ScalingState::kActive;
  result.reason = "DrainTimedOut";
  result.message = std::string(5'000, 'x');
  inputs.scaling[{"orders", "default"}] = result;
  auto told = std::make_shared<link::BrokerObservation>(*inputs.shards[0].observation);
  told->version = std::string(200, 'v');
  inputs.shards[0].observation = std::move(told);
  inputs.shards.push_back({});
  inputs.shards[0].connected = false;
  inputs.shards[0].problem = std::string(100'000, 'p');
  const Plan plan = reconcile(inputs);
  ASSERT_EQ(plan.actions.size(), 1U);
  const Json& status = std::get<ApplyStatus>(plan.actions[0]).object["status"];
  EXPECT_LE(status["subscriptions"][0]["consumers"]["message"].get<std::string>().size(), 1'024U);
  EXPECT_LE(status["broker"].value("version", "").size(), 63U);
  for (const Json& condition : status["conditions"]) {
    EXPECT_LE(condition["message"].get<std::string>().size(), 32'768U);
  }
}

TEST(ForeignInput, OnlyWhatCouldBeAQueueIsAskedForByName) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  EXPECT_THAT(unseen_queues(sim.gather()), IsEmpty());
  sim.api.change(kube::kConfigMaps, "shop", "orders-queues", [](Json& config) {
    config["data"]["emails.json"] = "{}";
    config["data"]["..json"] = "{}";
    config["data"]["...json"] = "{}";
    config["data"]["README"] = "";
    config["metadata"]["ownerReferences"].push_back(
        {{"apiVersion", "sluice.dev/v1"}, {"kind", "Queue"}, {"name", "bills"}, {"uid", "u-9"}});
    config["metadata"]["ownerReferences"].push_back(
        {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "me"}, {"uid", "u-8"}});
    config["metadata"]["ownerReferences"].push_back(
        {{"apiVersion", "sluice.dev/v1"}, {"kind", "Queue"}, {"name", "../x"}, {"uid", "u-7"}});
  });
  EXPECT_THAT(unseen_queues(sim.gather()),
              ElementsAre(UnseenQueue{"bills", "u-9"}, UnseenQueue{"emails", ""}));
  Inputs none = sim.gather();
  none.queues.clear();
  EXPECT_THAT(unseen_queues(none), IsEmpty());
}

}  // namespace
}  // namespace sluice::reconcile
