#include "operator/reconcile/builders.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {
namespace {

kube::Json ports(std::initializer_list<std::uint16_t> numbers) {
  kube::Json list = kube::Json::array();
  for (const std::uint16_t number : numbers) {
    list.push_back({{"protocol", "TCP"}, {"port", number}});
  }
  return list;
}

kube::Json selector(const std::map<std::string, std::string>& labels) {
  if (labels.empty()) return kube::Json::object();
  return {{"matchLabels", labels}};
}

kube::Json client_peers(const BrokerShape& shape) {
  if (shape.access.empty()) {
    return kube::Json::array({kube::Json{{"podSelector", kube::Json::object()}}});
  }
  kube::Json peers = kube::Json::array();
  for (const api::AccessPeer& peer : shape.access) {
    kube::Json one = kube::Json::object();
    if (peer.namespace_labels) one["namespaceSelector"] = selector(*peer.namespace_labels);
    if (peer.pod_labels) one["podSelector"] = selector(*peer.pod_labels);
    peers.push_back(std::move(one));
  }
  return peers;
}

}  // namespace

// Only what is needed: clients, the operator, and scrapes from within the cluster. A broker begins
// no connection.
kube::Json build_network_policy(const BrokerShape& shape, const Options& options) {
  kube::Json object = new_object(kube::kNetworkPolicies, shape, shape.name);
  const kube::Json from_operator = {
      {"namespaceSelector",
       {{"matchLabels", {{"kubernetes.io/metadata.name", options.operator_namespace}}}}},
      {"podSelector", selector(options.operator_pod_labels)}};
  const kube::Json from_cluster = {{"namespaceSelector", kube::Json::object()}};
  object["spec"] = {
      {"podSelector", {{"matchLabels", pod_selector(shape.name)}}},
      {"policyTypes", {"Ingress", "Egress"}},
      {"egress", kube::Json::array()},
      {"ingress",
       {{{"from", client_peers(shape)}, {"ports", ports({kClientPort, kOtherClientPort})}},
        {{"from", kube::Json::array({from_operator})},
         {"ports", ports({kControlPort, kOtherControlPort})}},
        {{"from", kube::Json::array({from_cluster})}, {"ports", ports({kHttpPort})}}}}};
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
