#include "operator/reconcile/key_secrets.h"

#include <optional>
#include <utility>

#include "access/key_ring.h"
#include "access/key_text.h"
#include "access/role.h"
#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/object_meta.h"
#include "operator/reconcile/secret_files.h"

namespace sluice::reconcile {
namespace {

using access::Role;

// Who has a key of its own, and what for: the id stands in authorized_keys and in the audit log.
struct Holder {
  std::string_view id;
  std::string (*secret_name)(std::string_view broker);
  access::RoleSet roles;
};
constexpr Holder kHolders[] = {
    {"access", access_secret_name, access::RoleSet(Role::kProduce) | Role::kConsume},
    {"admin", admin_secret_name,
     access::RoleSet(Role::kProduce) | Role::kConsume | Role::kInspect | Role::kAdmin},
    {"operator", operator_secret_name, Role::kOperator}};

std::string file_of(const SecretFiles& files, std::string_view name) {
  const auto found = files.find(name);
  return found == files.end() ? std::string() : found->second;
}

// The pair in two files of a Secret; the public half follows from the secret one. None: there is no
// secret half.
std::optional<KeyPair> found_pair(const SecretFiles& files, std::string_view secret,
                                  std::string_view public_key, KeyMaker& keys) {
  KeyPair pair{file_of(files, public_key), file_of(files, secret)};
  if (!access::is_key_text(pair.secret_key)) return std::nullopt;
  if (access::is_key_text(pair.public_key)) return pair;
  const auto made = keys.public_key_of(pair.secret_key);
  if (!made) return std::nullopt;
  pair.public_key = *made;
  return pair;
}

// The same, or a new one.
KeyPair pair_of(const SecretFiles& files, std::string_view secret, std::string_view public_key,
                KeyMaker& keys) {
  const auto found = found_pair(files, secret, public_key, keys);
  return found ? *found : keys.make();
}

struct Ports {
  std::string client;
  std::string control;
};
const Ports kFirstPorts{std::to_string(kClientPort), std::to_string(kControlPort)};
const Ports kSecondPorts{std::to_string(kOtherClientPort), std::to_string(kOtherControlPort)};

class KeySecrets {
 public:
  KeySecrets(const Inputs& inputs, const BrokerShape& shape) : inputs_(inputs), shape_(shape) {}

  KeyPlan plan() {
    const Json* secret = inputs_.live.find(kube::kSecrets, broker_secret_name(shape_.name));
    const SecretFiles live = secret_files(secret);
    KeyPlan plan;
    if (secret != nullptr) {
      plan.before = parse_rotation(annotation(*secret, kRotationAnnotation));
      plan.obstacle = damage(live, plan.before);
      plan.after = plan.before;
      if (plan.obstacle) return plan;
    }
    const KeyPair server = pair_of(live, kServerKeyFile, kServerPublicFile, *inputs_.keys);
    const bool on_second = file_of(live, kClientPortFile) == kSecondPorts.client;
    const Ports& here = on_second ? kSecondPorts : kFirstPorts;
    const Ports& there = on_second ? kFirstPorts : kSecondPorts;

    if (secret != nullptr) {
      plan.after = next_step(plan.before, shape_.rotation_tokens, inputs_.shards, shape_.shards);
    } else {
      plan.after = new_rotation(shape_.rotation_tokens);
    }
    KeyPair next;
    const bool was_on = plan.before.step != KeyRotation::Step::kNone;
    const bool is_on = plan.after.step != KeyRotation::Step::kNone;
    if (was_on || is_on) next = pair_of(live, kNextKeyFile, kNextPublicFile, *inputs_.keys);

    const bool finished = was_on && !is_on;
    SecretFiles files = broker_files(finished ? next : server, finished ? there : here);
    if (is_on) add_next(files, next, there);
    put(broker_secret_name(shape_.name), files, to_text(plan.after), plan.actions);

    const bool moved = finished || plan.after.step == KeyRotation::Step::kMoving;
    for (std::size_t i = 0; i < std::size(kHolders); ++i) {
      put(kHolders[i].secret_name(shape_.name),
          holder_files(i, moved ? next.public_key : server.public_key, moved ? there : here),
          std::nullopt, plan.actions);
    }
    return plan;
  }

 private:
  // A key of the broker that its pods and clients go by and that the Secret does not have any more.
  // Another one would cut all of them off, so nobody makes one.
  std::optional<Obstacle> damage(const SecretFiles& live, const KeyRotation& rotation) const {
    const SecretFiles told =
        secret_files(inputs_.live.find(kube::kSecrets, access_secret_name(shape_.name)));
    const bool in_use = !file_of(live, kServerKeyFile).empty() ||
                        !file_of(live, kServerPublicFile).empty() ||
                        !file_of(told, kBrokerPublicFile).empty();
    std::string_view file;
    if (in_use && !found_pair(live, kServerKeyFile, kServerPublicFile, *inputs_.keys)) {
      file = kServerKeyFile;
    } else if (rotation.step != KeyRotation::Step::kNone &&
               !found_pair(live, kNextKeyFile, kNextPublicFile, *inputs_.keys)) {
      file = kNextKeyFile;
    }
    if (file.empty()) return std::nullopt;
    const std::string name = broker_secret_name(shape_.name);
    return Obstacle{"KeyUnreadable",
                    std::string(file) + " of Secret " + name +
                        " is no key: put it back from a copy; or delete the Secret and then the "
                        "broker's pods, whose clients need the new keys then"};
  }

  const KeyPair& holder_pair(std::size_t holder) {
    if (holder_pairs_.empty()) {
      for (const Holder& one : kHolders) {
        const SecretFiles files =
            secret_files(inputs_.live.find(kube::kSecrets, one.secret_name(shape_.name)));
        holder_pairs_.push_back(pair_of(files, kClientKeyFile, kClientPublicFile, *inputs_.keys));
      }
    }
    return holder_pairs_[holder];
  }

  SecretFiles broker_files(const KeyPair& server, const Ports& ports) {
    SecretFiles files;
    files.emplace(kServerKeyFile, server.secret_key);
    files.emplace(kServerPublicFile, server.public_key);
    files.emplace(kClientPortFile, ports.client);
    files.emplace(kControlPortFile, ports.control);
    std::string& lines = files[std::string(kAuthorizedKeysFile)];
    for (std::size_t i = 0; i < std::size(kHolders); ++i) {
      lines += access::to_line({.id = std::string(kHolders[i].id),
                                .public_key = holder_pair(i).public_key,
                                .roles = kHolders[i].roles,
                                .queues = {"*"}}) +
               "\n";
    }
    return files;
  }

  static void add_next(SecretFiles& files, const KeyPair& next, const Ports& ports) {
    files.emplace(kNextKeyFile, next.secret_key);
    files.emplace(kNextPublicFile, next.public_key);
    files.emplace(kNextListenFile, "tcp://0.0.0.0:" + ports.client);
    files.emplace(kNextControlFile, "tcp://0.0.0.0:" + ports.control);
  }

  SecretFiles holder_files(std::size_t holder, const std::string& broker_key, const Ports& ports) {
    SecretFiles files;
    files.emplace(kClientKeyFile, holder_pair(holder).secret_key);
    files.emplace(kClientPublicFile, holder_pair(holder).public_key);
    files.emplace(kBrokerPublicFile, broker_key);
    if (kHolders[holder].roles.any_of(Role::kOperator)) {
      files.emplace(kControlPortFile, ports.control);
    } else {
      files.emplace(kEndpointFile,
                    "tcp://" + shape_.name + "." + shape_.name_space + ".svc:" + ports.client);
    }
    return files;
  }

  // `rotation`: the text of that annotation, if this Secret has it.
  void put(const std::string& name, const SecretFiles& files,
           const std::optional<std::string>& rotation, std::vector<Action>& actions) const {
    Json wanted = new_object(kube::kSecrets, shape_, name);
    wanted["type"] = "Opaque";
    wanted["data"] = secret_data(files);
    if (rotation) {
      wanted["metadata"]["annotations"][std::string(kRotationAnnotation)] = *rotation;
    }
    const Json* live = inputs_.live.find(kube::kSecrets, name);
    if (live == nullptr) {
      actions.emplace_back(Create{std::move(wanted)});
      return;
    }
    if (is_being_removed(*live)) return;
    if (Json patch = difference(wanted, *live); !patch.empty()) {
      patch["metadata"]["resourceVersion"] = kube::resource_version_of(*live);
      actions.emplace_back(Patch{{&kube::kSecrets, shape_.name_space, name}, std::move(patch)});
    }
  }

  // What a merge patch has to say; empty = nothing.
  static Json difference(const Json& wanted, const Json& live) {
    Json patch = Json::object();
    const auto compare_map = [&](const Json& want, const Json* have,
                                 const Json::json_pointer& where, bool exact) {
      for (const auto& [key, value] : want.items()) {
        const Json* there = have == nullptr ? nullptr : find_at(*have, {key});
        if (there == nullptr || *there != value) patch[where / key] = value;
      }
      if (!exact || have == nullptr) return;
      for (const auto& [key, value] : have->items()) {
        if (!want.contains(key)) patch[where / key] = nullptr;
      }
    };
    compare_map(wanted["data"], find_at(live, {"data"}), Json::json_pointer("/data"), true);
    compare_map(wanted["metadata"]["labels"], find_at(live, {"metadata", "labels"}),
                Json::json_pointer("/metadata/labels"), false);
    const Json annotations = wanted["metadata"].value("annotations", Json::object());
    compare_map(annotations, find_at(live, {"metadata", "annotations"}),
                Json::json_pointer("/metadata/annotations"), false);
    for (const std::string_view left : {kRetainedFromAnnotation, kRetainedQueuesAnnotation}) {
      if (annotation(live, left).empty()) continue;
      patch["metadata"]["annotations"][std::string(left)] = nullptr;
    }
    const Json* owners = find_at(live, {"metadata", "ownerReferences"});
    if (owners == nullptr || *owners != wanted["metadata"]["ownerReferences"]) {
      patch["metadata"]["ownerReferences"] = wanted["metadata"]["ownerReferences"];
    }
    return patch;
  }

  const Inputs& inputs_;
  const BrokerShape& shape_;
  std::vector<KeyPair> holder_pairs_;
};

}  // namespace

KeyPlan plan_key_secrets(const Inputs& inputs, const BrokerShape& shape) {
  CHECK(inputs.keys != nullptr);
  return KeySecrets(inputs, shape).plan();
}

link::LinkAddress control_address(const LiveObjects& live, std::string_view broker,
                                  std::string_view pod_ip) {
  const SecretFiles files = secret_files(live.find(kube::kSecrets, operator_secret_name(broker)));
  link::LinkAddress address;
  address.broker_key = file_of(files, kBrokerPublicFile);
  address.client_secret = file_of(files, kClientKeyFile);
  const std::string port = file_of(files, kControlPortFile);
  if (pod_ip.empty() || port.empty() || address.broker_key.empty() ||
      address.client_secret.empty()) {
    return {};
  }
  const bool is_v6 = pod_ip.find(':') != std::string_view::npos;
  address.endpoint = "tcp://";
  if (is_v6) address.endpoint += "[";
  address.endpoint += pod_ip;
  address.endpoint += is_v6 ? "]:" : ":";
  address.endpoint += port;
  return address;
}

std::string client_endpoint(const LiveObjects& live, std::string_view name_space,
                            std::string_view broker) {
  const SecretFiles files = secret_files(live.find(kube::kSecrets, access_secret_name(broker)));
  if (std::string told = file_of(files, kEndpointFile); !told.empty()) return told;
  // It is missing, and maybe nobody makes it again. What it said follows from the broker's.
  const Json* secret = live.find(kube::kSecrets, broker_secret_name(broker));
  bool on_second = file_of(secret_files(secret), kClientPortFile) == kSecondPorts.client;
  if (secret != nullptr &&
      parse_rotation(annotation(*secret, kRotationAnnotation)).step == KeyRotation::Step::kMoving) {
    on_second = !on_second;
  }
  return endpoint(name_space, broker, on_second ? kOtherClientPort : kClientPort);
}

}  // namespace sluice::reconcile
