#include "operator/reconcile/agreement.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/duration.h"
#include "operator/api/names.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"
#include "operator/reconcile/volume_size.h"

namespace sluice::reconcile {
namespace {

constexpr std::size_t kTokenBytesMax = 63;

std::string resources_text(const api::Resources& resources) {
  return Json{{"requests", resources.requests}, {"limits", resources.limits}}.dump();
}

// What a Queue says about its broker, by field; what it leaves open is not in it.
std::map<std::string, std::string> opinions_of(const api::QueueSpec& spec) {
  std::map<std::string, std::string> opinions = {{"spec.shards", std::to_string(spec.shards)}};
  const api::BrokerSpec& broker = spec.broker;
  if (!broker.version.empty()) opinions["spec.broker.version"] = broker.version;
  if (broker.storage.size) {
    opinions["spec.broker.storage.size"] = base::format_bytes(*broker.storage.size);
  }
  if (!broker.storage.storage_class_name.empty()) {
    opinions["spec.broker.storage.storageClassName"] = broker.storage.storage_class_name;
  }
  if (!broker.resources.requests.empty() || !broker.resources.limits.empty()) {
    opinions["spec.broker.resources"] = resources_text(broker.resources);
  }
  return opinions;
}

// The opinions so far, and whose they are.
class Opinions {
 public:
  explicit Opinions(std::string broker) : broker_(std::move(broker)) {}

  std::optional<Obstacle> compare(const api::QueueSpec& spec) const {
    for (const auto& [field, value] : opinions_of(spec)) {
      const auto found = first_.find(field);
      if (found == first_.end() || found->second.value == value) continue;
      std::string message = field;
      message.append(" is ").append(value).append(" here and ").append(found->second.value);
      message.append(" in Queue ").append(found->second.queue);
      message.append(", which was there first; Queues that share broker ").append(broker_);
      return Obstacle{"BrokerConflict", message.append(" must agree on it")};
    }
    return std::nullopt;
  }

  void add(const std::string& queue, const api::QueueSpec& spec) {
    for (const auto& [field, value] : opinions_of(spec)) {
      first_.try_emplace(field, Said{value, queue});
    }
  }

 private:
  struct Said {
    std::string value;
    std::string queue;
  };
  std::string broker_;
  std::map<std::string, Said> first_;
};

std::optional<Obstacle> storage_class_obstacle(const Inputs& inputs, const api::QueueSpec& spec) {
  const std::string& wanted = spec.broker.storage.storage_class_name;
  const std::string there = live_storage_class(inputs);
  if (wanted.empty() || there.empty() || wanted == there) return std::nullopt;
  return Obstacle{"BrokerConflict", "spec.broker.storage.storageClassName is " + wanted +
                                        " here and " + there + " on the volumes of broker " +
                                        inputs.broker +
                                        "; it is fixed once they "
                                        "exist"};
}

std::string adopt_advice(const std::string& uid) {
  return "annotate this Queue with " + std::string(kAdoptAnnotation) + "=" + uid +
         " to take it over, or delete the volumes if nobody needs it";
}

std::optional<Obstacle> retained_obstacle(const Inputs& inputs, const RetainedData& retained,
                                          bool is_ours, const Member& member) {
  const std::string adopts = annotation(*member.object, kAdoptAnnotation);
  const auto found = retained.queues.find(member.name);
  if (found != retained.queues.end() && found->second.uid != member.uid) {
    if (adopts == found->second.uid) return std::nullopt;
    return Obstacle{"RetainedDataExists", "broker " + inputs.broker +
                                              " keeps the messages of a deleted Queue of this "
                                              "name: " +
                                              adopt_advice(found->second.uid)};
  }
  if (retained.some_unreadable) {
    return Obstacle{"RetainedDataExists", "the volumes of broker " + inputs.broker +
                                              " are annotated with " +
                                              std::string(kRetainedFromAnnotation) +
                                              ", but what is retained on them cannot be read: mend "
                                              "or remove the annotations"};
  }
  if (is_ours || retained.volumes == 0) return std::nullopt;
  const auto& queues = retained.queues;
  const std::string uid = retained_uid(retained, member.name);
  for (const auto& [name, queue] : queues) {
    if (adopts == queue.uid) return std::nullopt;
  }
  if (queues.empty() && !adopts.empty() && adopts == uid) return std::nullopt;
  return Obstacle{"RetainedDataExists", "the volumes of broker " + inputs.broker +
                                            " hold data of deleted Queues: " + adopt_advice(uid)};
}

std::optional<Obstacle> volume_count_obstacle(const RetainedData& retained, bool is_ours,
                                              const api::QueueSpec& spec) {
  if (is_ours || retained.volumes == 0 || retained.volumes == spec.shards) return std::nullopt;
  return Obstacle{"RetainedDataExists", "the data that is to be taken over has " +
                                            std::to_string(retained.volumes) +
                                            " shards, and spec.shards is " +
                                            std::to_string(spec.shards) + "; they must be equal"};
}

// What an established Queue that cannot be read asked for is what there is: no new one outvotes it.
std::optional<Obstacle> live_shards_obstacle(const Inputs& inputs, const RetainedData& retained,
                                             const std::vector<Member>& members,
                                             const api::QueueSpec& spec) {
  const Json* set = inputs.live.find(kube::kStatefulSets, inputs.broker);
  if (set == nullptr || std::none_of(members.begin(), members.end(), [](const Member& one) {
        return one.established && !one.queue;
      })) {
    return std::nullopt;
  }
  const auto there = std::max(integer_at(*set, {"spec", "replicas"}).value_or(0),
                              static_cast<std::int64_t>(retained.volumes));
  if (there == static_cast<std::int64_t>(spec.shards)) return std::nullopt;
  return Obstacle{"BrokerConflict", "spec.shards is " + std::to_string(spec.shards) +
                                        " here, and broker " + inputs.broker + " has " +
                                        std::to_string(there) +
                                        "; a Queue that shares it cannot be read"};
}

// An object of that name that is not of this broker must not be taken over: somebody has use for
// it.
std::optional<Obstacle> name_obstacle(const Inputs& inputs, const std::vector<Member>& members) {
  const std::string& broker = inputs.broker;
  const std::pair<const kube::ResourceType*, std::string> names[] = {
      {&kube::kStatefulSets, broker},
      {&kube::kServices, broker},
      {&kube::kServices, shards_service_name(broker)},
      {&kube::kConfigMaps, queues_config_name(broker)},
      {&kube::kSecrets, broker_secret_name(broker)},
      {&kube::kSecrets, access_secret_name(broker)},
      {&kube::kSecrets, admin_secret_name(broker)},
      {&kube::kSecrets, operator_secret_name(broker)},
      {&kube::kPodDisruptionBudgets, broker},
      {&kube::kNetworkPolicies, broker},
      {&kube::kServiceAccounts, broker}};
  for (const auto& [type, name] : names) {
    const Json* object = inputs.live.find(*type, name);
    if (object == nullptr || text_at(*object, {"metadata", "labels", kBrokerLabel}) == broker ||
        std::any_of(members.begin(), members.end(),
                    [&](const Member& one) { return is_owned_by(*object, one.uid); })) {
      continue;
    }
    std::string message = "a ";
    message.append(type->kind).append(" ").append(name);
    message.append(" exists that is not of broker ").append(broker);
    message.append(": remove or rename it, or give spec.broker.name another name in a new Queue");
    return Obstacle{"NameTaken", std::move(message)};
  }
  return std::nullopt;
}

Json stripped_template(const Json& live) {
  Json out = Json::object();
  for (const auto& [group, names] :
       {std::pair<std::string_view, std::vector<std::string>>{"metadata", {"name", "labels"}},
        {"spec", {"accessModes", "resources", "storageClassName"}}}) {
    for (const std::string& name : names) {
      if (const Json* value = find_at(live, {group, name})) out[std::string(group)][name] = *value;
    }
  }
  return out;
}

// The image that is there, where it has the version that is wanted: another name of the registry,
// or another pull policy, is no reason to touch a broker.
void set_image(const Inputs& inputs, const std::string& version, BrokerShape& shape) {
  const Json* live = inputs.live.find(kube::kStatefulSets, inputs.broker);
  const Json* containers =
      live == nullptr ? nullptr : find_at(*live, {"spec", "template", "spec", "containers"});
  const std::string image = containers != nullptr && containers->is_array() && !containers->empty()
                                ? text_at(containers->front(), {"image"})
                                : std::string();
  const std::size_t colon = image.rfind(':');
  const std::string tag = colon == std::string::npos ? std::string() : image.substr(colon + 1);
  if (!tag.empty() && (version.empty() || version == tag)) {
    shape.image = image;
    shape.image_pull_policy = text_at(containers->front(), {"imagePullPolicy"});
    return;
  }
  shape.image = inputs.options.image + ":" + (version.empty() ? inputs.options.version : version);
  shape.image_pull_policy = inputs.options.image_pull_policy;
}

void read_map(const Json* from, std::map<std::string, std::string>& into) {
  if (from == nullptr || !from->is_object()) return;
  for (const auto& [name, value] : from->items()) {
    if (value.is_string()) into[name] = value.get<std::string>();
  }
}

// A Queue that could not be read may have asked for them before.
void keep_live_resources(const Inputs& inputs, BrokerShape& shape) {
  const Json* live = inputs.live.find(kube::kStatefulSets, inputs.broker);
  const Json* containers =
      live == nullptr ? nullptr : find_at(*live, {"spec", "template", "spec", "containers"});
  if (containers == nullptr || !containers->is_array() || containers->empty()) return;
  shape.resources = {};
  read_map(find_at(containers->front(), {"resources", "requests"}), shape.resources.requests);
  read_map(find_at(containers->front(), {"resources", "limits"}), shape.resources.limits);
}

class ShapeMaker {
 public:
  ShapeMaker(const Inputs& inputs, const std::vector<Member>& members)
      : inputs_(inputs), members_(members) {}

  BrokerShape make() {
    shape_.name_space = inputs_.name_space;
    shape_.name = inputs_.broker;
    bool first = true;
    for (const Member& member : members_) {
      add_object(member);
      if (member.standing != Standing::kAccepted) continue;
      add_spec(member, first);
      first = false;
    }
    if (version_.empty()) version_ = annotated_version_;
    // One that cannot be read may have asked for the version that is there.
    const bool moves = inputs_.options.upgrade_brokers && !unreadable_;
    if (version_.empty() && moves) version_ = inputs_.options.version;
    set_image(inputs_, version_, shape_);
    if (unreadable_) keep_live_resources(inputs_, shape_);
    if (open_) shape_.access.clear();
    set_storage();
    return std::move(shape_);
  }

 private:
  // What belongs to the broker as long as it exists.
  void add_object(const Member& member) {
    const bool is_there =
        member.standing == Standing::kAccepted || member.standing == Standing::kHeld ||
        (member.standing == Standing::kLeaving && (member.established || member.has_finalizer));
    if (is_there) shape_.owners.push_back({member.name, member.uid});
    if (member.standing == Standing::kAccepted) {
      shape_.manifests.emplace(member.name, member.manifest());
    } else if (member.keeps_settings()) {
      const Json* config = inputs_.live.find(kube::kConfigMaps, queues_config_name(inputs_.broker));
      std::string text = config == nullptr ? std::string()
                                           : text_at(*config, {"data", manifest_file(member.name)});
      if (!text.empty()) shape_.manifests.emplace(member.name, std::move(text));
    }
    unreadable_ = unreadable_ || (member.standing == Standing::kHeld && !member.queue);
  }

  void add_spec(const Member& member, bool first) {
    const api::QueueSpec& spec = member.queue->spec;
    if (first) shape_.shards = spec.shards;
    if (version_.empty()) version_ = spec.broker.version;
    if (annotated_version_.empty()) {
      // Nothing but a tag: what else stands behind the repository's name could name another one.
      const std::string version = annotation(*member.object, kVersionAnnotation);
      if (api::is_label_value(version)) annotated_version_ = version;
    }
    if (!storage_) storage_ = spec.broker.storage.size;
    if (shape_.storage_class.empty()) {
      shape_.storage_class = spec.broker.storage.storage_class_name;
    }
    if (shape_.resources.requests.empty() && shape_.resources.limits.empty()) {
      shape_.resources = spec.broker.resources;
    }
    needed_ += api::storage_bytes_needed(spec);
    least_ = std::max(least_, api::storage_bytes(spec));
    open_ = open_ || spec.access_from.empty();
    for (const api::AccessPeer& peer : spec.access_from) shape_.access.push_back(peer);
    if (std::string token = annotation(*member.object, kRotateAnnotation); !token.empty()) {
      // It is kept in an annotation with others, which has its bounds.
      if (token.size() > kTokenBytesMax) token = content_name(token);
      shape_.rotation_tokens.push_back(std::move(token));
    }
  }

  void set_storage() {
    constexpr std::uint64_t kGiB = 1ULL << 30;
    const std::uint64_t all = (needed_ + kGiB - 1) / kGiB * kGiB;
    shape_.storage_bytes =
        std::max(live_volume_bytes(inputs_), storage_ ? *storage_ : std::max(least_, all));
    const Json* live = inputs_.live.find(kube::kStatefulSets, inputs_.broker);
    const Json* templates =
        live == nullptr ? nullptr : find_at(*live, {"spec", "volumeClaimTemplates"});
    if (templates == nullptr || !templates->is_array() || is_being_removed(*live)) return;
    shape_.claim_templates = Json::array();
    for (const Json& one : *templates) shape_.claim_templates.push_back(stripped_template(one));
  }

  const Inputs& inputs_;
  const std::vector<Member>& members_;
  BrokerShape shape_;
  std::string version_;
  std::string annotated_version_;
  std::optional<std::uint64_t> storage_;
  std::uint64_t needed_ = 0;
  std::uint64_t least_ = 0;
  bool open_ = false;
  bool unreadable_ = false;
};

}  // namespace

void judge(const Inputs& inputs, const RetainedData& retained, std::vector<Member>& members) {
  const bool is_ours = is_broker_of(inputs, members);
  const std::optional<Obstacle> taken = name_obstacle(inputs, members);
  Opinions opinions(inputs.broker);
  for (Member& member : members) {
    const bool has_voice =
        member.standing != Standing::kLeaving || member.established || member.has_finalizer;
    if (!has_voice || !member.queue) {
      if (member.standing != Standing::kLeaving) {
        member.standing = member.established ? Standing::kHeld : Standing::kRefused;
      }
      continue;
    }
    const api::QueueSpec& spec = member.queue->spec;
    std::optional<Obstacle> obstacle = taken;
    if (!obstacle && !member.established) {
      obstacle = retained_obstacle(inputs, retained, is_ours, member);
      if (!obstacle) obstacle = volume_count_obstacle(retained, is_ours, spec);
      if (!obstacle) obstacle = live_shards_obstacle(inputs, retained, members, spec);
    }
    if (!obstacle) obstacle = opinions.compare(spec);
    if (!obstacle) obstacle = storage_class_obstacle(inputs, spec);
    if (!obstacle) opinions.add(member.name, spec);
    if (member.standing == Standing::kLeaving || !obstacle) continue;
    member.obstacle = std::move(obstacle);
    member.standing = member.established ? Standing::kHeld : Standing::kRefused;
  }
}

BrokerShape shape_of(const Inputs& inputs, const std::vector<Member>& members) {
  return ShapeMaker(inputs, members).make();
}

}  // namespace sluice::reconcile
