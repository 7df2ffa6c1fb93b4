#include <string>

#include "base/duration.h"
#include "operator/reconcile/builders.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"

namespace sluice::reconcile {
namespace {

using kube::Json;

constexpr std::string_view kDataPath = "/var/lib/sluice";
constexpr std::string_view kQueuesPath = "/etc/sluice/queues";
constexpr std::string_view kKeysPath = "/etc/sluice/keys";
constexpr int kUser = 65532;
constexpr int kOwnerAndGroupRead = 0440;
constexpr int kGraceSeconds = 60;

Json probe(std::string_view path, int period_seconds, int failures) {
  return {{"httpGet", {{"path", path}, {"port", "metrics"}, {"scheme", "HTTP"}}},
          {"periodSeconds", period_seconds},
          {"timeoutSeconds", 3},
          {"failureThreshold", failures},
          {"successThreshold", 1}};
}

Json environment_from_secret(std::string_view name, const std::string& secret,
                             std::string_view key) {
  return {{"name", name}, {"valueFrom", {{"secretKeyRef", {{"name", secret}, {"key", key}}}}}};
}

Json resources_of(const api::Resources& resources) {
  Json out = Json::object();
  if (!resources.requests.empty()) out["requests"] = resources.requests;
  if (!resources.limits.empty()) out["limits"] = resources.limits;
  return out;
}

// The ports are in the Secret beside the keys that they speak with: both change at once. A client
// of another shard stays on the port that it came in at.
Json arguments(const BrokerShape& shape) {
  Json list = {"broker",
               "--data",
               std::string(kDataPath) + "/log",
               "--listen",
               "tcp://0.0.0.0:$(SLUICE_CLIENT_PORT)",
               "--control",
               "tcp://0.0.0.0:$(SLUICE_CONTROL_PORT)",
               "--http",
               "0.0.0.0:" + std::to_string(kHttpPort),
               "--file",
               kQueuesPath,
               "--keys",
               kKeysPath,
               "--log-format",
               "json"};
  if (shape.shards > 1) {
    list.push_back("--shards");
    list.push_back(std::to_string(shape.shards));
    list.push_back("--shard-endpoints");
    list.push_back("tcp://" + shape.name + "-{shard}." + shards_service_name(shape.name) + "." +
                   shape.name_space + ".svc:{port}");
  }
  return list;
}

Json container(const BrokerShape& shape) {
  const std::string secret = broker_secret_name(shape.name);
  return {
      {"name", "broker"},
      {"image", shape.image},
      {"imagePullPolicy", shape.image_pull_policy},
      {"command", {"sluice-sidecar"}},
      {"args", arguments(shape)},
      {"env",
       {{{"name", "POD_NAME"},
         {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.name"}}}}}},
        environment_from_secret("SLUICE_CLIENT_PORT", secret, kClientPortFile),
        environment_from_secret("SLUICE_CONTROL_PORT", secret, kControlPortFile)}},
      {"ports",
       {{{"name", "client"}, {"containerPort", kClientPort}, {"protocol", "TCP"}},
        {{"name", "control"}, {"containerPort", kControlPort}, {"protocol", "TCP"}},
        {{"name", "metrics"}, {"containerPort", kHttpPort}, {"protocol", "TCP"}}}},
      {"resources", resources_of(shape.resources)},
      // Ten minutes to recover a log; then it is alive or is restarted.
      {"startupProbe", probe("/healthz", 2, 300)},
      {"livenessProbe", probe("/healthz", 10, 6)},
      {"readinessProbe", probe("/readyz", 2, 2)},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"readOnlyRootFilesystem", true},
        {"runAsNonRoot", true},
        {"capabilities", {{"drop", {"ALL"}}}}}},
      {"volumeMounts",
       {{{"name", kVolumeName}, {"mountPath", kDataPath}},
        {{"name", "queues"}, {"mountPath", kQueuesPath}, {"readOnly", true}},
        {{"name", "keys"}, {"mountPath", kKeysPath}, {"readOnly", true}}}},
  };
}

Json pod_template(const BrokerShape& shape) {
  const std::string settings = shape.image + " " + resources_of(shape.resources).dump();
  return {{"metadata",
           {{"labels", broker_labels(shape.name)},
            {"annotations", {{std::string(kSettingsAnnotation), content_name(settings)}}}}},
          {"spec",
           {{"serviceAccountName", shape.name},
            {"automountServiceAccountToken", false},
            {"enableServiceLinks", false},
            {"terminationGracePeriodSeconds", kGraceSeconds},
            {"securityContext",
             {{"runAsNonRoot", true},
              {"runAsUser", kUser},
              {"runAsGroup", kUser},
              {"fsGroup", kUser},
              {"fsGroupChangePolicy", "OnRootMismatch"},
              {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
            {"containers", Json::array({container(shape)})},
            {"volumes",
             {{{"name", "queues"}, {"configMap", {{"name", queues_config_name(shape.name)}}}},
              {{"name", "keys"},
               {"secret",
                {{"secretName", broker_secret_name(shape.name)},
                 {"defaultMode", kOwnerAndGroupRead}}}}}}}}};
}

// No owner: the volume outlives its StatefulSet, and goes by a command of ours only.
Json claim_template(const BrokerShape& shape) {
  Json spec = {
      {"accessModes", {"ReadWriteOnce"}},
      {"resources", {{"requests", {{"storage", base::format_bytes(shape.storage_bytes)}}}}}};
  if (!shape.storage_class.empty()) spec["storageClassName"] = shape.storage_class;
  return {{"metadata", {{"name", kVolumeName}, {"labels", broker_labels(shape.name)}}},
          {"spec", std::move(spec)}};
}

}  // namespace

kube::Json build_stateful_set(const BrokerShape& shape) {
  Json object = new_object(kube::kStatefulSets, shape, shape.name);
  object["spec"] = {{"replicas", shape.shards},
                    {"serviceName", shards_service_name(shape.name)},
                    {"podManagementPolicy", "Parallel"},
                    // Pods change when the operator says so, one shard at a time (rollout.h).
                    {"updateStrategy", {{"type", "OnDelete"}}},
                    {"persistentVolumeClaimRetentionPolicy",
                     {{"whenDeleted", "Retain"}, {"whenScaled", "Retain"}}},
                    {"revisionHistoryLimit", 10},
                    {"selector", {{"matchLabels", pod_selector(shape.name)}}},
                    {"template", pod_template(shape)},
                    {"volumeClaimTemplates", shape.claim_templates.is_null()
                                                 ? Json::array({claim_template(shape)})
                                                 : shape.claim_templates}};
  return with_applied(std::move(object));
}

}  // namespace sluice::reconcile
