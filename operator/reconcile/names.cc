#include "operator/reconcile/names.h"

namespace sluice::reconcile {
namespace {

std::string joined(std::string_view name, std::string_view suffix) {
  return std::string(name).append(suffix);
}

}  // namespace

std::string shards_service_name(std::string_view broker) { return joined(broker, "-shards"); }
std::string queues_config_name(std::string_view broker) { return joined(broker, "-queues"); }
std::string manifest_file(std::string_view queue) { return joined(queue, kManifestSuffix); }
std::string broker_secret_name(std::string_view broker) { return joined(broker, "-broker"); }
std::string access_secret_name(std::string_view broker) { return joined(broker, "-access"); }
std::string admin_secret_name(std::string_view broker) { return joined(broker, "-admin"); }
std::string operator_secret_name(std::string_view broker) { return joined(broker, "-operator"); }

std::string pod_name(std::string_view broker, std::size_t shard) {
  return joined(broker, "-" + std::to_string(shard));
}

std::string claim_name(std::string_view broker, std::size_t shard) {
  return joined(kVolumeName, "-" + pod_name(broker, shard));
}

std::string endpoint(std::string_view name_space, std::string_view broker, std::uint16_t port) {
  std::string text = "tcp://";
  text.append(broker).append(".").append(name_space).append(".svc:").append(std::to_string(port));
  return text;
}

}  // namespace sluice::reconcile
