#include "operator/reconcile/builders.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {
namespace {

kube::Json port(std::string_view name, std::uint16_t number) {
  return {{"name", name}, {"port", number}, {"targetPort", number}, {"protocol", "TCP"}};
}

}  // namespace

// Of pods that are not ready too: clients of one shard wait for it, and do not go elsewhere.
kube::Json build_shards_service(const BrokerShape& shape) {
  kube::Json object = new_object(kube::kServices, shape, shards_service_name(shape.name));
  object["spec"] = {{"clusterIP", "None"},
                    {"publishNotReadyAddresses", true},
                    {"selector", pod_selector(shape.name)},
                    {"ports", {port("client", kClientPort), port("client-b", kOtherClientPort)}}};
  return with_applied(std::move(object));
}

// Both client ports, whichever of them the broker serves: it changes its key by going over to the
// other, and nothing but Secrets has to change for it.
kube::Json build_client_service(const BrokerShape& shape) {
  kube::Json object = new_object(kube::kServices, shape, shape.name);
  object["spec"] = {{"type", "ClusterIP"},
                    {"selector", pod_selector(shape.name)},
                    {"ports", {port("client", kClientPort), port("client-b", kOtherClientPort)}}};
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
