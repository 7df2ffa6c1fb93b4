#include <algorithm>
#include <string>
#include <vector>

#include "base/duration.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/key_rotation.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/rollout.h"
#include "tests/sim/operator/world.h"
#include "tests/support/kstatus.h"
#include "tests/support/operator_sim.h"

// What must be in the end.
namespace sluice::sim {
namespace {

using kube::Json;

std::string condition(const Json& queue, std::string_view type, std::string_view field) {
  for (const Json& one : kube::value_in(queue, {"status", "conditions"})) {
    if (kube::text_in(one, "type") == type) return kube::text_in(one, field);
  }
  return {};
}

}  // namespace

// What a broker is made of, as far as somebody may have laid hands on it.
std::string World::objects_unrest(const QueueSlot& slot, const std::string& manifest) {
  const std::string& broker = slot.broker;
  const std::pair<const kube::ResourceType*, std::string> wanted[] = {
      {&kube::kStatefulSets, broker},
      {&kube::kServices, broker},
      {&kube::kServices, reconcile::shards_service_name(broker)},
      {&kube::kConfigMaps, reconcile::queues_config_name(broker)},
      {&kube::kServiceAccounts, broker},
      {&kube::kPodDisruptionBudgets, broker},
      {&kube::kNetworkPolicies, broker},
      {&kube::kSecrets, reconcile::broker_secret_name(broker)},
      {&kube::kSecrets, reconcile::access_secret_name(broker)},
      {&kube::kSecrets, reconcile::operator_secret_name(broker)},
      {&kube::kSecrets, reconcile::admin_secret_name(broker)}};
  for (const auto& [type, name] : wanted) {
    if (store_.find(*type, slot.name_space, name) == nullptr) {
      return " is Current without " + std::string(type->kind) + " " + name;
    }
  }
  const Json& config =
      *store_.find(kube::kConfigMaps, slot.name_space, reconcile::queues_config_name(broker));
  if (kube::value_in(config, {"data", reconcile::manifest_file(slot.name)}) != manifest) {
    return " is Current, and its broker starts with other settings";
  }
  const Json& set = *store_.find(kube::kStatefulSets, slot.name_space, broker);
  if (reconcile::integer_at(set, {"spec", "replicas"}) !=
      std::optional(static_cast<std::int64_t>(slot.shards))) {
    return " is Current with another number of shards";
  }
  const Json& policy = *store_.find(kube::kNetworkPolicies, slot.name_space, broker);
  if (kube::value_in(policy, {"spec", "ingress"}).empty()) {
    return " is Current, and nobody is let in";
  }
  if (const std::string what = keys_unrest(slot); !what.empty()) return what;
  return volumes_unrest(slot);
}

// Keys fit together, and nothing is left of rotations that somebody asked for.
std::string World::keys_unrest(const QueueSlot& slot) {
  if (const std::string what = test::check_keys(store_, slot.name_space, slot.broker);
      !what.empty()) {
    return " is Current, and of its keys: " + what;
  }
  const Json& secret =
      *store_.find(kube::kSecrets, slot.name_space, reconcile::broker_secret_name(slot.broker));
  const reconcile::KeyRotation rotation =
      reconcile::parse_rotation(reconcile::annotation(secret, reconcile::kRotationAnnotation));
  if (rotation.step != reconcile::KeyRotation::Step::kNone) {
    return " is Current, and its broker's key is still being changed";
  }
  const std::string token = users_.token(slot);
  if (!token.empty() &&
      std::find(rotation.done.begin(), rotation.done.end(), token) == rotation.done.end()) {
    return " is Current, and its broker's key was not changed for " + token;
  }
  return {};
}

// Each shard's volume is as large as its Queues ask for, and so is the next one.
std::string World::volumes_unrest(const QueueSlot& slot) {
  const std::uint64_t wanted = users_.gigabytes(slot.broker) << 30;
  const auto is_smaller = [wanted](const Json& claim) {
    const auto bytes =
        base::parse_bytes(reconcile::text_at(claim, {"spec", "resources", "requests", "storage"}));
    return !bytes.has_value() || *bytes < wanted;
  };
  for (std::size_t shard = 0; shard < slot.shards; ++shard) {
    const Json* claim = store_.find(kube::kPersistentVolumeClaims, slot.name_space,
                                    reconcile::claim_name(slot.broker, shard));
    if (claim == nullptr || is_smaller(*claim)) {
      return " is Current, and the volume of shard " + std::to_string(shard) + " is too small";
    }
  }
  const Json& set = *store_.find(kube::kStatefulSets, slot.name_space, slot.broker);
  for (const Json& claim : kube::value_in(set, {"spec", "volumeClaimTemplates"})) {
    if (is_smaller(claim)) return " is Current, and its next volumes will be too small";
  }
  return {};
}

std::string World::unrest_of(const QueueSlot& slot, const Json& queue) {
  const std::string name = "Queue " + slot.name;
  for (const char* rate : {"inPerSecond", "outPerSecond"}) {
    if (reconcile::integer_at(queue, {"status", "rates", rate}).value_or(0) != 0) {
      return name + " is said to have messages come or go, and none do";
    }
  }
  if (reconcile::is_being_removed(queue)) {
    // People have to say what becomes of the messages.
    if (condition(queue, "Stalled", "status") == "True") return {};
    return name + " is still being deleted";
  }
  if (kube::value_in(queue, {"status", "observedGeneration"}) !=
      kube::value_in(queue, {"metadata", "generation"})) {
    return name + " has a status of another generation";
  }
  const test::KStatus status = test::kstatus(queue);
  if (status == test::KStatus::kFailed) {
    const std::string reason = condition(queue, "Stalled", "reason");
    // Nobody watches what is somebody else's: that it is gone is seen ten minutes later at most.
    const bool is_taken = checks_.is_foreign({&kube::kServices, slot.name_space, slot.broker});
    if (reason == "NameTaken" && is_taken) return {};
    // One that is being deleted, and waits for people, asks for what it asked for.
    const bool others_leave =
        std::any_of(slots_.begin(), slots_.end(), [&](const QueueSlot& other) {
          const Json* one = store_.find(kube::kQueues, other.name_space, other.name);
          return one != nullptr && other.broker == slot.broker && reconcile::is_being_removed(*one);
        });
    if (reason == "BrokerConflict" && others_leave) return {};
    return name + " is stalled: " + reason + ": " + condition(queue, "Stalled", "message");
  }
  if (status != test::KStatus::kCurrent) {
    return name + " is not ready: " + condition(queue, "Ready", "reason") + ", " +
           condition(queue, "Reconciling", "reason");
  }
  reconcile::Inputs inputs;
  inputs.name_space = slot.name_space;
  inputs.broker = slot.broker;
  inputs.queues.push_back(queue);
  const std::vector<reconcile::Member> members = reconcile::read_members(inputs);
  const std::string manifest = members.front().manifest();
  if (std::string what = objects_unrest(slot, manifest); !what.empty()) return name + what;
  const std::uint64_t revision = link::manifest_revision(manifest);
  std::uint64_t ready = 0;
  for (std::size_t shard = 0; shard < slot.shards; ++shard) {
    const link::QueueObservation* there =
        brokers_.queue(slot.name_space, reconcile::pod_name(slot.broker, shard), slot.name);
    const std::string at = " at shard " + std::to_string(shard);
    if (there == nullptr) return name + " is Current, and there is no such queue" + at;
    if (there->revision != revision) return name + " is Current with older settings" + at;
    ready += there->subscriptions.front().ready;
  }
  const Json& messages = kube::value_in(queue, {"status", "messages"});
  if (!messages.is_object() || !kube::value_in(queue, {"status", "rates"}).is_object()) {
    return name + " has no numbers in its status";
  }
  const std::uint64_t told = messages.value("ready", std::uint64_t{0});
  // Small changes are not worth a write.
  const std::uint64_t differs = told > ready ? told - ready : ready - told;
  if ((told == 0) != (ready == 0) || differs * 9 > ready) {
    return name + " has " + std::to_string(ready) + " messages, and its status says " +
           messages.dump();
  }
  return {};
}

std::string World::scaling_unrest() {
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (slot.target.empty() || queue == nullptr || condition(*queue, "Ready", "status") != "True") {
      continue;
    }
    // One that came when there were no consumers makes none either, as Kubernetes has it.
    if (store_.find(kube::kHorizontalPodAutoscalers, slot.name_space, slot.target) != nullptr) {
      if (condition(*queue, "ScalingActive", "reason") == "Conflict") continue;
      return "Queue " + slot.name + " does not say that another autoscaler scales its consumers";
    }
    for (std::size_t shard = 0; shard < slot.shards; ++shard) {
      const link::QueueObservation* there =
          brokers_.queue(slot.name_space, reconcile::pod_name(slot.broker, shard), slot.name);
      if (there != nullptr && there->messages > 0) {
        return "Queue " + slot.name + " is not drained by its consumers";
      }
    }
    // Of several Queues of a target the largest minimum counts.
    std::uint32_t least = 0;
    bool all_ready = true;
    for (const QueueSlot& other : slots_) {
      if (other.target != slot.target) continue;
      const Json* one = store_.find(kube::kQueues, other.name_space, other.name);
      if (one == nullptr) continue;
      all_ready = all_ready && condition(*one, "Ready", "status") == "True";
      least = std::max(least, other.min_replicas);
    }
    const Json* target = store_.find(kube::kDeployments, slot.name_space, slot.target);
    const auto replicas = (*target)["spec"].value("replicas", std::uint32_t{0});
    if (all_ready && replicas != least) {
      return "Deployment " + slot.target + " has " + std::to_string(replicas) +
             " replicas with nothing to do; " + std::to_string(least) + " are wanted";
    }
  }
  return {};
}

// Everything has gone with the namespace.
std::string World::namespace_unrest() {
  for (const Json* object : store_.all()) {
    if (kube::namespace_of(*object) == kNameSpace) {
      return kube::ref_of(*object)->to_string() + " holds up the end of its namespace";
    }
  }
  const bool is_there = store_.find(kube::kNamespaces, "", kNameSpace) != nullptr;
  return is_there ? "the namespace is still there" : "";
}

std::string World::unrest() {
  if (users_.mend()) return "people put something right";
  bool works = false;
  for (const Operator& one : operators_) {
    works = works || (one.process != nullptr && one.process->works() && one.process->leads());
  }
  if (!works) return "no operator works";
  if (namespace_ended_) return namespace_unrest();
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (queue == nullptr) continue;
    if (std::string what = unrest_of(slot, *queue); !what.empty()) return what;
  }
  // Objects of brokers that no Queue is left of.
  for (const Json* set : store_.all(kube::kStatefulSets)) {
    const bool used = std::any_of(slots_.begin(), slots_.end(), [&](const QueueSlot& slot) {
      return slot.broker == kube::name_of(*set) &&
             store_.find(kube::kQueues, slot.name_space, slot.name) != nullptr;
    });
    if (!used) return "StatefulSet " + kube::name_of(*set) + " is left over";
  }
  return scaling_unrest();
}

}  // namespace sluice::sim
