#include "operator/reconcile/object_meta.h"

#include <cstdint>

#include "base/fnv1a.h"
#include "operator/api/queue.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {

kube::Json broker_labels(std::string_view broker) {
  return {{"app.kubernetes.io/name", "sluice-broker"},
          {"app.kubernetes.io/instance", broker},
          {"app.kubernetes.io/managed-by", "sluice-operator"},
          {std::string(kBrokerLabel), broker}};
}

kube::Json pod_selector(std::string_view broker) {
  return {{"app.kubernetes.io/name", "sluice-broker"}, {std::string(kBrokerLabel), broker}};
}

kube::Json owner_references(const std::vector<Owner>& owners) {
  kube::Json references = kube::Json::array();
  for (const Owner& owner : owners) {
    references.push_back({{"apiVersion", api::kApiVersion},
                          {"kind", api::kQueueKind},
                          {"name", owner.name},
                          {"uid", owner.uid}});
  }
  return references;
}

kube::Json new_object(const kube::ResourceType& type, const BrokerShape& shape,
                      const std::string& name) {
  return {{"apiVersion", type.api_version()},
          {"kind", type.kind},
          {"metadata",
           {{"name", name},
            {"namespace", shape.name_space},
            {"labels", broker_labels(shape.name)},
            {"ownerReferences", owner_references(shape.owners)}}}};
}

std::string content_name(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr unsigned kBits = 64;
  const std::uint64_t hash = base::fnv1a(text);
  std::string name;
  for (unsigned shift = kBits; shift > 0; shift -= 4) name += kDigits[hash >> (shift - 4) & 15U];
  return name;
}

kube::Json with_applied(kube::Json object) {
  const std::string name = content_name(object.dump());
  object["metadata"]["annotations"][std::string(kAppliedAnnotation)] = name;
  return object;
}

}  // namespace sluice::reconcile
