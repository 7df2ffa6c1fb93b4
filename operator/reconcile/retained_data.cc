#include "operator/reconcile/retained_data.h"

#include <algorithm>

#include "kube/object_ref.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::reconcile {
namespace {

// All annotations of an object share 256 KiB.
constexpr std::size_t kSpecBytesMax = 8 * 1024;
constexpr std::size_t kUidBytesMax = 64;
constexpr std::size_t kAllBytesMax = 128 * 1024;

void read_queues(const Json& object, std::map<std::string, RetainedQueue>& queues) {
  const Json parsed = Json::parse(annotation(object, kRetainedQueuesAnnotation), nullptr, false);
  if (!parsed.is_object()) return;
  for (const auto& [name, value] : parsed.items()) {
    RetainedQueue queue{text_at(value, {"uid"}), nullptr};
    // One that nobody could name, or a status not hold, was not written by us.
    if (queue.uid.empty() || queue.uid.size() > kUidBytesMax) continue;
    if (const Json* spec = find_at(value, {"spec"})) queue.spec = *spec;
    queues.emplace(name, std::move(queue));
  }
}

// retained-from has every uid: it tells whether the longer annotation was cut or spoiled.
bool is_readable(const Json& object) {
  const std::string uids = annotation(object, kRetainedFromAnnotation);
  if (uids.empty()) return true;
  std::map<std::string, RetainedQueue> queues;
  read_queues(object, queues);
  const auto noted = static_cast<std::size_t>(std::count(uids.begin(), uids.end(), ',')) + 1;
  return queues.size() >= noted;
}

}  // namespace

std::vector<const Json*> claims_of(const LiveObjects& live, const std::string& broker) {
  std::vector<const Json*> claims;
  for (std::size_t shard = 0; shard < kShardsMax; ++shard) {
    const Json* claim = live.find(kube::kPersistentVolumeClaims, claim_name(broker, shard));
    if (claim != nullptr) claims.push_back(claim);
  }
  return claims;
}

RetainedData read_retained(const Inputs& inputs) {
  RetainedData data;
  for (const Json* claim : claims_of(inputs.live, inputs.broker)) {
    if (is_being_removed(*claim)) {
      data.some_going = true;
      continue;
    }
    ++data.volumes;
    if (data.first_volume_uid.empty()) data.first_volume_uid = kube::uid_of(*claim);
    read_queues(*claim, data.queues);
    data.some_unreadable = data.some_unreadable || !is_readable(*claim);
  }
  return data;
}

std::string retained_uid(const RetainedData& data, const std::string& queue) {
  if (const auto found = data.queues.find(queue); found != data.queues.end()) {
    return found->second.uid;
  }
  return data.queues.empty() ? data.first_volume_uid : data.queues.begin()->second.uid;
}

bool is_broker_of(const Inputs& inputs, const std::vector<Member>& members) {
  const auto is_owned = [&](const kube::ResourceType& type, const std::string& name) {
    const Json* object = inputs.live.find(type, name);
    return object != nullptr && std::any_of(members.begin(), members.end(), [&](const Member& one) {
             return is_owned_by(*object, one.uid);
           });
  };
  return is_owned(kube::kStatefulSets, inputs.broker) ||
         is_owned(kube::kConfigMaps, queues_config_name(inputs.broker)) ||
         is_owned(kube::kSecrets, broker_secret_name(inputs.broker)) ||
         is_owned(kube::kServices, inputs.broker);
}

kube::Json retained_annotations(const std::map<std::string, RetainedQueue>& queues) {
  if (queues.empty()) {
    return {{std::string(kRetainedFromAnnotation), nullptr},
            {std::string(kRetainedQueuesAnnotation), nullptr}};
  }
  Json all = Json::object();
  std::string uids;
  for (const auto& [name, queue] : queues) {
    all[name]["uid"] = queue.uid;
    if (!queue.spec.is_null()) all[name]["spec"] = queue.spec;
    if (!uids.empty()) uids += ",";
    uids += queue.uid;
  }
  if (all.dump().size() > kAllBytesMax) {
    for (Json& queue : all) queue.erase("spec");
  }
  return {{std::string(kRetainedFromAnnotation), uids},
          {std::string(kRetainedQueuesAnnotation), all.dump()}};
}

Json bounded_spec(Json spec) {
  if (spec.dump(-1, ' ', false, Json::error_handler_t::replace).size() > kSpecBytesMax) return {};
  return spec;
}

RetainedQueue retain(const Member& member) {
  const Json* spec = find_at(*member.object, {"spec"});
  return {member.uid, spec == nullptr ? Json(nullptr) : bounded_spec(*spec)};
}

}  // namespace sluice::reconcile
