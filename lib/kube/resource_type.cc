#include "kube/resource_type.h"

#include <array>

namespace sluice::kube {
namespace {

constexpr std::array kAllTypes{
    &kQueues,
    &kPods,
    &kServices,
    &kConfigMaps,
    &kSecrets,
    &kServiceAccounts,
    &kPersistentVolumeClaims,
    &kNamespaces,
    &kStatefulSets,
    &kDeployments,
    &kReplicaSets,
    &kJobs,
    &kPodDisruptionBudgets,
    &kNetworkPolicies,
    &kLeases,
    &kEvents,
    &kStorageClasses,
    &kHorizontalPodAutoscalers,
    &kScaledObjects,
    &kCustomResourceDefinitions,
};

}  // namespace

std::string ResourceType::api_version() const {
  if (group.empty()) return std::string(version);
  return std::string(group) + "/" + std::string(version);
}

const ResourceType* find_resource_type(std::string_view api_version, std::string_view kind) {
  for (const ResourceType* type : kAllTypes) {
    if (type->kind == kind && type->api_version() == api_version) return type;
  }
  return nullptr;
}

}  // namespace sluice::kube
