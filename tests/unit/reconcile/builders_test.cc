#include "operator/reconcile/builders.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "operator/reconcile/key_secrets.h"
#include "operator/reconcile/object_meta.h"
#include "operator/reconcile/subset_diff.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;

BrokerShape shape() {
  BrokerShape shape;
  shape.name_space = "shop";
  shape.name = "main";
  shape.owners = {{"orders", "uid-1"}, {"emails", "uid-2"}};
  shape.shards = 3;
  shape.image = "sluice:1.0.0";
  shape.image_pull_policy = "IfNotPresent";
  shape.resources.requests = {{"cpu", "500m"}, {"memory", "256Mi"}};
  shape.resources.limits = {{"memory", "1Gi"}};
  shape.storage_bytes = 20ULL << 30;
  shape.storage_class = "fast";
  shape.access = {{std::map<std::string, std::string>{{"team", "red"}}, std::nullopt},
                  {std::nullopt, std::map<std::string, std::string>{{"app", "worker"}}}};
  shape.manifests = {{"emails", "{\"kind\":\"Queue\"}"}, {"orders", "{\"kind\":\"Queue\"}"}};
  return shape;
}

Options options() {
  Options options;
  options.operator_namespace = "sluice-system";
  return options;
}

// The object as a file under golden/ has it; SLUICE_WRITE_GOLDEN=1 writes the file instead.
void expect_golden(const Json& object, const std::string& name) {
  const std::string path =
      std::string(SLUICE_TEST_SOURCE_DIR) + "/tests/unit/reconcile/golden/" + name + ".json";
  if (std::getenv("SLUICE_WRITE_GOLDEN") != nullptr) {  // NOLINT
    std::ofstream(path) << object.dump(2) << "\n";
    return;
  }
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(object.dump(2) + "\n", text) << path;
}

TEST(Builders, MakeTheObjectsOfTheGoldenFiles) {
  expect_golden(build_service_account(shape()), "service_account");
  expect_golden(build_queues_config(shape()), "queues_config");
  expect_golden(build_shards_service(shape()), "shards_service");
  expect_golden(build_client_service(shape()), "client_service");
  expect_golden(build_network_policy(shape(), options()), "network_policy");
  expect_golden(build_disruption_budget(shape()), "disruption_budget");
  expect_golden(build_stateful_set(shape()), "stateful_set");
}

TEST(Builders, MakeTheSecretsOfTheGoldenFiles) {
  Inputs inputs;
  test::CountingKeyMaker keys;
  inputs.keys = &keys;
  const KeyPlan plan = plan_key_secrets(inputs, shape());
  ASSERT_EQ(plan.actions.size(), 4U);
  for (const Action& action : plan.actions) {
    const Json& secret = std::get<Create>(action).object;
    expect_golden(secret, "secret_" + kube::name_of(secret));
  }
}

// So that the image runs in a namespace that enforces it.
TEST(Builders, ThePodKeepsTheRulesOfRestrictedPodSecurity) {
  const Json set = build_stateful_set(shape());
  const Json& pod = set["spec"]["template"]["spec"];
  EXPECT_EQ(pod["securityContext"]["runAsNonRoot"], true);
  EXPECT_EQ(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
  for (const Json& container : pod["containers"]) {
    const Json& context = container["securityContext"];
    EXPECT_EQ(context["allowPrivilegeEscalation"], false);
    EXPECT_EQ(context["capabilities"]["drop"], Json::array({"ALL"}));
    EXPECT_EQ(context["readOnlyRootFilesystem"], true);
  }
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  for (const char* field : {"hostNetwork", "hostPID", "hostIPC"}) EXPECT_FALSE(pod.contains(field));
}

TEST(Builders, AFieldThatIsWantedNoLongerIsNoticed) {
  const Json before = build_stateful_set(shape());
  BrokerShape less = shape();
  less.resources = {};
  EXPECT_TRUE(subset_diff(build_stateful_set(less), before).has_value());
  EXPECT_FALSE(subset_diff(before, before).has_value());
}

TEST(Builders, TheClaimTemplateThatIsThereIsKept) {
  BrokerShape grown = shape();
  grown.claim_templates = Json::array({Json{{"metadata", {{"name", "data"}}}}});
  EXPECT_EQ(build_stateful_set(grown)["spec"]["volumeClaimTemplates"], grown.claim_templates);
}

}  // namespace
}  // namespace sluice::reconcile
