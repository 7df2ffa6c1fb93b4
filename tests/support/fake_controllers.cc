#include "tests/support/fake_controllers.h"

#include "base/check.h"

namespace sluice::test {
namespace {

using kube::Json;

constexpr const char* kProtection = "kubernetes.io/pvc-protection";

bool is_being_removed(const Json& object) {
  return object["metadata"].contains("deletionTimestamp");
}

std::string owner_uid(const Json& object) {
  const Json& metadata = object["metadata"];
  if (!metadata.contains("ownerReferences") || metadata["ownerReferences"].empty()) return {};
  return metadata["ownerReferences"][0].value("uid", "");
}

void drop_finalizer(Json& object, const std::string& name) {
  Json left = Json::array();
  for (const Json& one : object["metadata"]["finalizers"]) {
    if (one != name) left.push_back(one);
  }
  object["metadata"]["finalizers"] = left;
}

bool has_finalizer(const Json& object, const std::string& name) {
  const Json& metadata = object["metadata"];
  if (!metadata.contains("finalizers")) return false;
  for (const Json& one : metadata["finalizers"]) {
    if (one == name) return true;
  }
  return false;
}

}  // namespace

bool FakeControllers::step() {
  std::string before;
  for (const Json* object : api_.all()) before += kube::resource_version_of(*object) + ",";
  const std::uint64_t writes = api_.writes;
  finish_removals();
  collect_garbage();
  std::vector<Json> sets;
  for (const Json* set : api_.all(kube::kStatefulSets)) sets.push_back(*set);
  for (const Json& set : sets) {
    if (!is_being_removed(set)) run_stateful_set(set);
  }
  api_.writes = writes;  // theirs are not counted
  std::string after;
  for (const Json* object : api_.all()) after += kube::resource_version_of(*object) + ",";
  return before != after;
}

void FakeControllers::run_stateful_set(const Json& set) {
  const std::string name_space = kube::namespace_of(set);
  const std::string name = kube::name_of(set);
  if (api_.terminating.contains(name_space)) return;
  const int replicas = set["spec"].value("replicas", 1);
  const std::size_t number =
      networks_.try_emplace(name_space + "/" + name, networks_.size()).first->second;
  const std::string network = "10.1." + std::to_string(number) + ".";
  const Json owner = Json::array({{{"apiVersion", "apps/v1"},
                                   {"kind", "StatefulSet"},
                                   {"name", name},
                                   {"uid", kube::uid_of(set)},
                                   {"controller", true}}});
  for (int i = 0; i < replicas; ++i) {
    const std::string pod_name = name + "-" + std::to_string(i);
    for (const Json& claim_template : set["spec"]["volumeClaimTemplates"]) {
      const std::string claim_name = claim_template["metadata"].value("name", "") + "-" + pod_name;
      const Json* claim = api_.find(kube::kPersistentVolumeClaims, name_space, claim_name);
      if (claim == nullptr) {
        Json metadata = claim_template["metadata"];
        metadata["name"] = claim_name;
        metadata["namespace"] = name_space;
        metadata["finalizers"] = {kProtection};
        CHECK(api_.create({{"apiVersion", "v1"},
                           {"kind", "PersistentVolumeClaim"},
                           {"metadata", metadata},
                           {"spec", claim_template["spec"]}})
                  .has_value());
      }
      api_.change(kube::kPersistentVolumeClaims, name_space, claim_name, [](Json& one) {
        one["status"] = {{"phase", "Bound"}, {"capacity", one["spec"]["resources"]["requests"]}};
      });
    }
    const Json* pod = api_.find(kube::kPods, name_space, pod_name);
    if (pod == nullptr) {
      Json metadata = set["spec"]["template"]["metadata"];
      metadata["name"] = pod_name;
      metadata["namespace"] = name_space;
      metadata["ownerReferences"] = owner;
      CHECK(api_.create({{"apiVersion", "v1"},
                         {"kind", "Pod"},
                         {"metadata", metadata},
                         {"spec", set["spec"]["template"]["spec"]}})
                .has_value());
      continue;  // ready in the next round
    }
    if (!owner_uid(*pod).empty() && owner_uid(*pod) != kube::uid_of(set)) continue;
    api_.change(kube::kPods, name_space, pod_name, [&](Json& one) {
      one["metadata"]["ownerReferences"] = owner;
      one["status"] = {
          {"podIP", network + std::to_string(i)},
          {"conditions", Json::array({{{"type", "Ready"},
                                       {"status", pods_are_ready && !broken_pods.contains(pod_name)
                                                      ? "True"
                                                      : "False"}}})}};
    });
  }
  // Who is one too many goes, with the others' volumes left alone.
  for (int i = replicas;; ++i) {
    const std::string pod_name = name + "-" + std::to_string(i);
    const Json* pod = api_.find(kube::kPods, name_space, pod_name);
    if (pod == nullptr || owner_uid(*pod) != kube::uid_of(set)) break;
    api_.erase(kube::kPods, name_space, pod_name);
  }
  api_.change(kube::kStatefulSets, name_space, name, [&](Json& one) {
    one["status"] = {{"observedGeneration", one["metadata"]["generation"]}, {"replicas", replicas}};
  });
}

bool FakeControllers::uses_claim(const Json& claim) const {
  for (const Json* pod : api_.all(kube::kPods)) {
    if (kube::namespace_of(*pod) == kube::namespace_of(claim) &&
        kube::name_of(claim).ends_with("-" + kube::name_of(*pod))) {
      return true;
    }
  }
  return false;
}

void FakeControllers::finish_removals() {
  std::vector<Json> leaving;
  for (const Json* object : api_.all()) {
    if (is_being_removed(*object)) leaving.push_back(*object);
  }
  for (const Json& object : leaving) {
    const std::string kind = object.value("kind", "");
    if (kind == "StatefulSet" && has_finalizer(object, "orphan")) {
      for (const Json* pod : api_.all(kube::kPods)) {
        if (owner_uid(*pod) != kube::uid_of(object)) continue;
        api_.change(kube::kPods, kube::namespace_of(*pod), std::string(kube::name_of(*pod)),
                    [](Json& one) { one["metadata"].erase("ownerReferences"); });
      }
      api_.change(kube::kStatefulSets, kube::namespace_of(object), kube::name_of(object),
                  [](Json& one) { drop_finalizer(one, "orphan"); });
    }
    if (kind == "PersistentVolumeClaim" && !uses_claim(object)) {
      api_.change(kube::kPersistentVolumeClaims, kube::namespace_of(object), kube::name_of(object),
                  [](Json& one) { drop_finalizer(one, kProtection); });
    }
  }
}

void FakeControllers::collect_garbage() {
  std::set<std::string> uids;
  for (const Json* object : api_.all()) uids.insert(kube::uid_of(*object));
  std::vector<kube::ObjectRef> orphans;
  for (const Json* object : api_.all()) {
    const Json& metadata = (*object)["metadata"];
    if (!metadata.contains("ownerReferences") || metadata["ownerReferences"].empty()) continue;
    bool has_owner = false;
    for (const Json& owner : metadata["ownerReferences"]) {
      has_owner = has_owner || uids.contains(owner.value("uid", ""));
    }
    if (has_owner) continue;
    auto ref = kube::ref_of(*object);
    CHECK(ref.has_value());
    orphans.push_back(*std::move(ref));
  }
  for (const kube::ObjectRef& ref : orphans) {
    CHECK(api_.remove(ref, {}, kube::Propagation::kBackground).has_value());
  }
}

}  // namespace sluice::test
