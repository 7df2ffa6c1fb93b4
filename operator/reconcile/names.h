#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What the objects of a broker, and what is written on them, are called. docs/operator.md says the
// same to people.
namespace sluice::reconcile {

inline constexpr std::string_view kFinalizer = "sluice.dev/queue";

// Labels.
inline constexpr std::string_view kBrokerLabel = "sluice.dev/broker";

// Annotations that users write on a Queue.
inline constexpr std::string_view kAdoptAnnotation = "sluice.dev/adopt";
inline constexpr std::string_view kPauseAnnotation = "sluice.dev/pause-reconcile";
inline constexpr std::string_view kRotateAnnotation = "sluice.dev/rotate-broker-key";
inline constexpr std::string_view kVersionAnnotation = "sluice.dev/broker-version";

// Annotations that the operator writes on the objects of a broker.
inline constexpr std::string_view kAppliedAnnotation = "sluice.dev/applied";
inline constexpr std::string_view kSettingsAnnotation = "sluice.dev/pod-settings";
inline constexpr std::string_view kRetainedFromAnnotation = "sluice.dev/retained-from";
inline constexpr std::string_view kRetainedQueuesAnnotation = "sluice.dev/retained-queues";
inline constexpr std::string_view kRotationAnnotation = "sluice.dev/key-rotation";

// ... and on a Queue that is being deleted.
inline constexpr std::string_view kWaitedAnnotation = "sluice.dev/waited-for-broker";

// Ports of a broker. The second pair serves while the broker's key is being changed, and stays in
// use afterwards, until the next change goes back to the first.
inline constexpr std::uint16_t kClientPort = 7650;
inline constexpr std::uint16_t kControlPort = 7651;
inline constexpr std::uint16_t kHttpPort = 7652;
inline constexpr std::uint16_t kOtherClientPort = 7660;
inline constexpr std::uint16_t kOtherControlPort = 7661;

inline constexpr std::string_view kVolumeName = "data";

// As the manifest has it: whatever stands elsewhere is no more than this.
inline constexpr std::size_t kShardsMax = 64;

// Files of the Secrets. Those of a broker's and of a client's folder are described in
// docs/access.md.
inline constexpr std::string_view kServerKeyFile = "server.key";
inline constexpr std::string_view kServerPublicFile = "server.pub";
inline constexpr std::string_view kAuthorizedKeysFile = "authorized_keys";
inline constexpr std::string_view kNextKeyFile = "next.key";
inline constexpr std::string_view kNextPublicFile = "next.pub";
inline constexpr std::string_view kNextListenFile = "next.listen";
inline constexpr std::string_view kNextControlFile = "next.control";
inline constexpr std::string_view kClientPortFile = "client-port";
inline constexpr std::string_view kControlPortFile = "control-port";
inline constexpr std::string_view kClientKeyFile = "client.key";
inline constexpr std::string_view kClientPublicFile = "client.pub";
inline constexpr std::string_view kBrokerPublicFile = "broker.pub";
inline constexpr std::string_view kEndpointFile = "endpoint";

// Names by the broker's name.
std::string shards_service_name(std::string_view broker);
std::string queues_config_name(std::string_view broker);
// In that: where the settings of a queue are.
inline constexpr std::string_view kManifestSuffix = ".json";
std::string manifest_file(std::string_view queue);
std::string broker_secret_name(std::string_view broker);
std::string access_secret_name(std::string_view broker);
std::string admin_secret_name(std::string_view broker);
std::string operator_secret_name(std::string_view broker);
std::string pod_name(std::string_view broker, std::size_t shard);
std::string claim_name(std::string_view broker, std::size_t shard);

// The endpoint of clients: "tcp://orders.shop.svc:7650".
std::string endpoint(std::string_view name_space, std::string_view broker, std::uint16_t port);

}  // namespace sluice::reconcile
