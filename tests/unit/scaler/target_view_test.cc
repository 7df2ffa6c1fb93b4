#include "operator/scaler/target_view.h"

#include <gtest/gtest.h>

namespace sluice::op {
namespace {

using kube::Json;

TEST(TargetView, ReadsADeployment) {
  const Json object = {
      {"kind", "Deployment"},
      {"metadata", {{"uid", "u"}, {"resourceVersion", "7"}, {"generation", 3}}},
      {"spec",
       {{"replicas", 4},
        {"selector",
         {{"matchLabels", {{"app", "w"}}},
          {"matchExpressions",
           {{{"key", "tier"}, {"operator", "In"}, {"values", {"a", "b"}}},
            {{"key", "old"}, {"operator", "DoesNotExist"}},
            {{"key", "new"}, {"operator", "Exists"}},
            {{"key", "zone"}, {"operator", "NotIn"}, {"values", {"x"}}}}}}}}},
      {"status",
       {{"observedGeneration", 3}, {"replicas", 4}, {"updatedReplicas", 4}, {"readyReplicas", 3}}}};
  const TargetView view = target_view_of(object);
  EXPECT_EQ(view.uid, "u");
  EXPECT_EQ(view.resource_version, "7");
  EXPECT_EQ(view.replicas.wanted, 4U);
  EXPECT_EQ(view.replicas.ready, 3U);
  EXPECT_FALSE(view.rolling_out);
  EXPECT_FALSE(view.by_ordinal);
  EXPECT_EQ(view.selector, "app=w,tier in (a,b),!old,new,zone notin (x)");
}

TEST(TargetView, SeesARollout) {
  Json object = {{"kind", "Deployment"},
                 {"metadata", {{"generation", 4}}},
                 {"status", {{"observedGeneration", 3}}}};
  EXPECT_TRUE(target_view_of(object).rolling_out);
  object["status"] = {{"observedGeneration", 4}, {"replicas", 5}, {"updatedReplicas", 2}};
  EXPECT_TRUE(target_view_of(object).rolling_out);
  object["status"]["updatedReplicas"] = 5;
  EXPECT_FALSE(target_view_of(object).rolling_out);
  object["status"] = {{"observedGeneration", 4}, {"replicas", 5}};
  EXPECT_TRUE(target_view_of(object).rolling_out);
  object["status"] = {{"observedGeneration", 4}};
  EXPECT_FALSE(target_view_of(object).rolling_out);
}

TEST(TargetView, AStatefulSetRollsOutWhileItsRevisionsDiffer) {
  Json object = {{"kind", "StatefulSet"},
                 {"status", {{"currentRevision", "a"}, {"updateRevision", "b"}}}};
  EXPECT_TRUE(target_view_of(object).by_ordinal);
  EXPECT_TRUE(target_view_of(object).rolling_out);
  object["spec"]["updateStrategy"] = {{"type", "OnDelete"}};
  EXPECT_FALSE(target_view_of(object).rolling_out);
  object["spec"]["updateStrategy"] = {{"type", "RollingUpdate"},
                                      {"rollingUpdate", {{"partition", 2}}}};
  EXPECT_FALSE(target_view_of(object).rolling_out);
}

TEST(TargetView, OtherKindsByTheUsualFields) {
  const Json object = {{"kind", "Rollout"},
                       {"spec", {{"replicas", 2}}},
                       {"status", {{"selector", "app=w"}, {"readyReplicas", 2}}}};
  const TargetView view = target_view_of(object);
  EXPECT_EQ(view.replicas.wanted, 2U);
  EXPECT_EQ(view.selector, "app=w");
  EXPECT_EQ(target_view_of({{"kind", "Rollout"}}).replicas.wanted, 1U);
}

Json pod(const std::string& name, const std::string& owner_kind, const std::string& owner,
         const std::string& phase = "Running") {
  return {
      {"metadata",
       {{"name", name},
        {"uid", "uid-" + name},
        {"creationTimestamp", "2026-01-01T00:00:01Z"},
        {"labels", {{"pod-template-hash", "h"}}},
        {"annotations", {{"controller.kubernetes.io/pod-deletion-cost", "5"}}},
        {"ownerReferences",
         {{{"kind", owner_kind}, {"name", owner}, {"uid", "o-" + owner}, {"controller", true}}}}}},
      {"status", {{"phase", phase}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
}

TEST(TargetView, PodsAreThoseThatItControls) {
  const TargetRef target{"shop", "apps/v1", "Deployment", "w"};
  Json ending = pod("d", "ReplicaSet", "w-h", "Pending");
  ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:02Z";
  ending["metadata"]["annotations"]["sluice.dev/scale-in"] = "";
  ending["status"].erase("conditions");
  Json orphan = pod("e", "ReplicaSet", "w-h");
  orphan["metadata"].erase("ownerReferences");
  const Json list = {{"items",
                      {pod("a", "ReplicaSet", "w-h"), pod("b", "ReplicaSet", "other-h"),
                       pod("c", "ReplicaSet", "w-h", "Failed"), ending, orphan}}};
  const auto pods = pods_of(list, target, {});
  ASSERT_EQ(pods.size(), 2U);
  EXPECT_EQ(pods[0].name, "a");
  EXPECT_EQ(pods[0].uid, "uid-a");
  EXPECT_TRUE(pods[0].ready);
  EXPECT_TRUE(pods[0].started);
  EXPECT_FALSE(pods[0].terminating);
  EXPECT_EQ(pods[0].deletion_cost, "5");
  EXPECT_EQ(pods[0].chosen, std::nullopt);
  EXPECT_GT(pods[0].created.value(), 0);
  EXPECT_EQ(pods[1].name, "d");
  EXPECT_FALSE(pods[1].ready);
  EXPECT_FALSE(pods[1].started);
  EXPECT_TRUE(pods[1].terminating);
  EXPECT_EQ(pods[1].chosen, "");
}

TEST(TargetView, AStatefulSetsPodsNameItsUid) {
  const TargetRef target{"shop", "apps/v1", "StatefulSet", "w"};
  TargetView view;
  view.uid = "o-w";
  const Json list = {{"items", {pod("w-0", "StatefulSet", "w"), pod("w-1", "StatefulSet", "x")}}};
  ASSERT_EQ(pods_of(list, target, view).size(), 1U);
  EXPECT_EQ(pods_of(list, {"shop", "argoproj.io/v1alpha1", "Rollout", "w"}, view).size(), 2U);
}

TEST(TypeBook, MakesTypesThatAreNotKnown) {
  TypeBook types;
  EXPECT_EQ(types.type_of({"shop", "apps/v1", "Deployment", "w"}), &kube::kDeployments);
  const TargetRef rollout{"shop", "argoproj.io/v1alpha1", "Rollout", "w"};
  const kube::ResourceType* made = types.type_of(rollout);
  EXPECT_EQ(made->group, "argoproj.io");
  EXPECT_EQ(made->version, "v1alpha1");
  EXPECT_EQ(made->plural, "rollouts");
  for (const char* kind : {"Proxy", "Gateway", "Mesh", "Class"}) {
    types.type_of({"shop", "x/v1", kind, "w"});
  }
  EXPECT_EQ(types.type_of(rollout), made);
  EXPECT_EQ(made->kind, "Rollout");
  EXPECT_EQ(plural_of("Proxy"), "proxies");
  EXPECT_EQ(plural_of("Gateway"), "gateways");
  EXPECT_EQ(plural_of("Mesh"), "meshes");
}

}  // namespace
}  // namespace sluice::op
