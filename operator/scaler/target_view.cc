#include "operator/scaler/target_view.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/wall_text.h"

namespace sluice::op {
namespace {

using kube::Json;
using kube::text_in;
using kube::value_in;

std::int64_t number_in(const Json& object, std::string_view key) {
  const Json& value = value_in(object, {key});
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

std::uint32_t count_in(const Json& object, std::string_view key, std::uint32_t otherwise) {
  if (!value_in(object, {key}).is_number_integer()) return otherwise;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number_in(object, key), 0, 1 << 30));
}

void add_term(std::string& selector, const std::string& term) {
  if (!selector.empty()) selector += ',';
  selector += term;
}

// "a=b,c in (d,e)" of a LabelSelector.
std::string selector_text(const Json& selector) {
  std::string text;
  for (const auto& [key, value] : value_in(selector, {"matchLabels"}).items()) {
    if (value.is_string()) add_term(text, key + "=" + value.get<std::string>());
  }
  for (const Json& one : value_in(selector, {"matchExpressions"})) {
    const std::string key = text_in(one, "key");
    const std::string is = text_in(one, "operator");
    std::string values;
    for (const Json& value : value_in(one, {"values"})) {
      if (value.is_string()) add_term(values, value.get<std::string>());
    }
    if (is == "Exists") add_term(text, key);
    if (is == "DoesNotExist") add_term(text, "!" + key);
    const std::string listed = std::string("(").append(values).append(")");
    if (is == "In") add_term(text, std::string(key).append(" in ").append(listed));
    if (is == "NotIn") add_term(text, std::string(key).append(" notin ").append(listed));
  }
  return text;
}

bool is_rolling_out(const Json& object, const std::string& kind) {
  const Json& spec = value_in(object, {"spec"});
  const Json& status = value_in(object, {"status"});
  const std::int64_t generation = number_in(value_in(object, {"metadata"}), "generation");
  if (!value_in(status, {"observedGeneration"}).is_null() &&
      number_in(status, "observedGeneration") < generation) {
    return true;
  }
  if (kind == "StatefulSet") {
    const Json& strategy = value_in(spec, {"updateStrategy"});
    // By hand, or only some of the pods: then both revisions stay for as long as people like.
    if (text_in(strategy, "type") == "OnDelete") return false;
    if (number_in(value_in(strategy, {"rollingUpdate"}), "partition") > 0) return false;
    return text_in(status, "updateRevision") != text_in(status, "currentRevision");
  }
  if (value_in(status, {"updatedReplicas"}).is_null())
    return kind == "Deployment" && number_in(status, "replicas") > 0;
  return number_in(status, "updatedReplicas") < number_in(status, "replicas");
}

bool belongs(const Json& pod, const TargetRef& target, const TargetView& view) {
  const Json& owners = value_in(pod, {"metadata", "ownerReferences"});
  for (const Json& owner : owners) {
    if (value_in(owner, {"controller"}) != true) continue;
    if (text_in(owner, "uid") == view.uid) return true;
    const std::string hash = text_in(value_in(pod, {"metadata", "labels"}), "pod-template-hash");
    if (target.kind == "Deployment") {
      return text_in(owner, "kind") == "ReplicaSet" && !hash.empty() &&
             text_in(owner, "name") == target.name + "-" + hash;
    }
    // What stands between a target of another kind and its pods is not known: its selector says.
    return target.kind != "StatefulSet" && target.kind != "ReplicaSet";
  }
  return false;
}

std::optional<std::string> annotation_of(const Json& pod, std::string_view name) {
  const Json& value = value_in(pod, {"metadata", "annotations", name});
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

bool is_ready(const Json& pod) {
  for (const Json& condition : value_in(pod, {"status", "conditions"})) {
    if (text_in(condition, "type") == "Ready") return text_in(condition, "status") == "True";
  }
  return false;
}

}  // namespace

std::string_view TargetRef::group() const {
  const std::string_view all = api_version;
  const std::size_t slash = all.find('/');
  return slash == std::string_view::npos ? std::string_view() : all.substr(0, slash);
}

std::string plural_of(std::string_view kind) {
  std::string name;
  for (const char c : kind) {
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const auto ends = [&](std::string_view with) { return name.ends_with(with); };
  if (ends("s") || ends("x") || ends("ch") || ends("sh")) return name + "es";
  if (ends("y") && !ends("ay") && !ends("ey") && !ends("oy") && !ends("uy")) {
    name.pop_back();
    return name + "ies";
  }
  return name + "s";
}

const kube::ResourceType* TypeBook::type_of(const TargetRef& target) {
  if (const auto* known = kube::find_resource_type(target.api_version, target.kind)) return known;
  const std::lock_guard lock(mutex_);
  for (const Made& made : made_) {
    if (made.kind == target.kind && made.type.api_version() == target.api_version) {
      return &made.type;
    }
  }
  const std::string group(target.group());
  const std::string version =
      group.empty() ? target.api_version : target.api_version.substr(group.size() + 1);
  Made& made = made_.emplace_back(Made{group, version, plural_of(target.kind), target.kind, {}});
  made.type = {made.group, made.version, made.plural, made.kind};
  return &made.type;
}

TargetView target_view_of(const kube::Json& object) {
  const Json& spec = value_in(object, {"spec"});
  const Json& status = value_in(object, {"status"});
  const std::string kind = text_in(object, "kind");
  TargetView view;
  view.uid = kube::uid_of(object);
  view.resource_version = kube::resource_version_of(object);
  view.replicas.wanted = count_in(spec, "replicas", 1);
  view.replicas.ready = count_in(status, "readyReplicas", 0);
  view.rolling_out = is_rolling_out(object, kind);
  view.by_ordinal = kind == "StatefulSet";
  view.selector = text_in(status, "selector");
  if (view.selector.empty()) view.selector = selector_text(value_in(spec, {"selector"}));
  return view;
}

std::vector<autoscale::Pod> pods_of(const kube::Json& list, const TargetRef& target,
                                    const TargetView& view) {
  std::vector<autoscale::Pod> pods;
  for (const Json& object : value_in(list, {"items"})) {
    const std::string phase = text_in(value_in(object, {"status"}), "phase");
    if (phase == "Succeeded" || phase == "Failed" || !belongs(object, target, view)) continue;
    const Json& metadata = value_in(object, {"metadata"});
    autoscale::Pod pod;
    pod.name = kube::name_of(object);
    pod.uid = kube::uid_of(object);
    if (const auto created = base::parse_wall(text_in(metadata, "creationTimestamp"))) {
      pod.created = *created;
    }
    pod.started = phase != "Pending";
    pod.ready = is_ready(object);
    pod.terminating = !text_in(metadata, "deletionTimestamp").empty();
    pod.deletion_cost = annotation_of(object, autoscale::kDeletionCost);
    pod.chosen = annotation_of(object, autoscale::kChosen);
    pods.push_back(std::move(pod));
  }
  return pods;
}

}  // namespace sluice::op
