#include "operator/reconcile/builders.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {

kube::Json build_queues_config(const BrokerShape& shape) {
  kube::Json object = new_object(kube::kConfigMaps, shape, queues_config_name(shape.name));
  kube::Json data = kube::Json::object();
  for (const auto& [queue, manifest] : shape.manifests) data[manifest_file(queue)] = manifest;
  object["data"] = std::move(data);
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
