#include "tests/support/fake_api_server.h"

#include <utility>

#include "base/check.h"
#include "base/duration.h"
#include "base/wall_text.h"
#include "tests/support/object_merge.h"

namespace sluice::test {
namespace {

using base::Error;
using base::ErrorCode;
using kube::Json;
using kube::ObjectRef;

constexpr const char* kMetadata = "metadata";

std::string seconds_text(base::WallTime time) {
  const std::string text = base::format_wall(time);
  return text.substr(0, text.rfind('.')) + "Z";
}

// The API server gives amounts back in another form than it got them.
void canonicalize_amounts(Json& value, bool amounts) {
  if (value.is_string() && amounts) {
    const auto bytes = base::parse_bytes(value.get<std::string>());
    if (bytes.has_value()) value = base::format_bytes(*bytes);
  } else if (value.is_object()) {
    for (const auto& [name, below] : value.items()) {
      canonicalize_amounts(below, amounts || name == "requests" || name == "limits");
    }
  } else if (value.is_array()) {
    for (Json& one : value) canonicalize_amounts(one, amounts);
  }
}

void add_default(Json& object, const std::string& name, Json value) {
  if (!object.contains(name)) object[name] = std::move(value);
}

// Some of what the real one adds, and some of what it leaves out.
void normalize(Json& object) {
  const std::string kind = object.value("kind", "");
  if (kind == "Queue" || kind == "ConfigMap" || kind == "Secret") return;
  canonicalize_amounts(object, false);
  if (!object.contains("spec")) return;
  Json& spec = object["spec"];
  if (kind == "NetworkPolicy" && spec.contains("egress") && spec["egress"].empty()) {
    spec.erase("egress");
  }
  if (kind == "Service") {
    add_default(spec, "sessionAffinity", "None");
    add_default(spec, "clusterIP", "10.0.0.1");
    add_default(spec, "internalTrafficPolicy", "Cluster");
  }
  if (kind == "StatefulSet") {
    Json& pod = spec["template"]["spec"];
    add_default(pod, "restartPolicy", "Always");
    add_default(pod, "dnsPolicy", "ClusterFirst");
    for (Json& container : pod["containers"]) {
      add_default(container, "terminationMessagePath", "/dev/termination-log");
      if (container.contains("resources") && container["resources"].empty()) {
        container["resources"] = Json::object();
      }
    }
    for (Json& claim : spec["volumeClaimTemplates"]) {
      claim["apiVersion"] = "v1";
      claim["kind"] = "PersistentVolumeClaim";
      add_default(claim["spec"], "volumeMode", "Filesystem");
      claim["status"] = {{"phase", "Pending"}};
    }
  }
  if (kind == "PersistentVolumeClaim") add_default(spec, "storageClassName", "standard");
}

std::uint64_t requested(const Json& claim) {
  const auto bytes =
      base::parse_bytes(claim["spec"]["resources"]["requests"].value("storage", std::string("0")));
  return bytes.has_value() ? *bytes : 0;
}

Error conflict(const ObjectRef& ref) {
  return Error(ErrorCode::kConflict, ref.to_string() + " was changed meanwhile");
}

bool has_finalizers(const Json& object) {
  const Json& metadata = object[kMetadata];
  return metadata.contains("finalizers") && !metadata["finalizers"].empty();
}

ObjectRef ref_of(const Json& object) {
  auto ref = kube::ref_of(object);
  CHECK(ref.has_value());
  return *ref;
}

}  // namespace

FakeApiServer::Key FakeApiServer::key_of(const ObjectRef& ref) {
  return {std::string(ref.type->kind), {ref.name_space, ref.name}};
}

void FakeApiServer::note(std::string_view verb, const ObjectRef& ref) {
  ++writes;
  if (on_write) on_write(verb, ref);
}

void FakeApiServer::tell(const ObjectRef& ref, const Json& before, const Json& after) const {
  if (on_change) on_change(ref, before, after);
}

void FakeApiServer::take_away(const ObjectRef& ref, Json before) {
  objects_.erase(key_of(ref));
  before[kMetadata]["resourceVersion"] = next_version();
  tell(ref, before, nullptr);
}

base::Result<Json> FakeApiServer::get(const ObjectRef& ref) {
  if (get_error) return *get_error;
  const auto found = objects_.find(key_of(ref));
  if (found == objects_.end()) return base::not_found(ref.to_string());
  return found->second.object;
}

base::Result<Json> FakeApiServer::list(const kube::ResourceType& type, std::string_view name_space,
                                       const kube::Selectors& selectors) {
  Json items = Json::array();
  const std::size_t equals = selectors.label.find('=');
  for (const Json* object : all(type)) {
    if (!name_space.empty() && kube::namespace_of(*object) != name_space) continue;
    if (equals != std::string::npos) {
      const Json labels = (*object)[kMetadata].value("labels", Json::object());
      if (labels.value(selectors.label.substr(0, equals), "") !=
          selectors.label.substr(equals + 1)) {
        continue;
      }
    }
    items.push_back(*object);
  }
  return Json{{"kind", std::string(type.kind) + "List"},
              {"metadata", {{"resourceVersion", std::to_string(version_)}}},
              {"items", std::move(items)}};
}

base::Result<Json> FakeApiServer::put_new(const ObjectRef& ref, Json object,
                                          std::string_view manager) {
  if (terminating.contains(ref.name_space)) {
    return Error(ErrorCode::kPermissionDenied,
                 ref.to_string() + " is forbidden: unable to create new content in namespace " +
                     ref.name_space + " because it is being terminated");
  }
  Stored stored;
  if (!manager.empty()) stored.applied[std::string(manager)] = object;
  Json& metadata = object[kMetadata];
  metadata["uid"] = "uid-" + std::to_string(++uids_);
  metadata["resourceVersion"] = next_version();
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = seconds_text(now_);
  normalize(object);
  stored.object = std::move(object);
  const Json& there = (objects_[key_of(ref)] = std::move(stored)).object;
  tell(ref, nullptr, there);
  return there;
}

base::Result<Json> FakeApiServer::create(const Json& object) {
  const ObjectRef ref = ref_of(object);
  note("create", ref);
  if (objects_.contains(key_of(ref))) {
    return Error(ErrorCode::kAlreadyExists, ref.to_string() + " exists");
  }
  return put_new(ref, object, {});
}

base::Status FakeApiServer::check_change(const Json& before, const Json& after) const {
  const std::string kind = before.value("kind", "");
  const auto differs = [&](const char* field) {
    return before["spec"].value(field, Json()) != after["spec"].value(field, Json());
  };
  if (kind == "StatefulSet") {
    for (const char* field :
         {"volumeClaimTemplates", "serviceName", "podManagementPolicy", "selector"}) {
      if (differs(field)) {
        return base::invalid_argument(std::string("StatefulSet spec.") + field + ": Forbidden");
      }
    }
  }
  if (kind == "PersistentVolumeClaim" && requested(before) != requested(after)) {
    if (requested(after) < requested(before)) {
      return base::invalid_argument("spec.resources.requests.storage: cannot be less");
    }
    const auto found = expandable.find(before["spec"].value("storageClassName", ""));
    if (found == expandable.end() || !found->second) {
      return Error(ErrorCode::kPermissionDenied, "the storageclass must support resize");
    }
  }
  return {};
}

base::Result<Json> FakeApiServer::store(const ObjectRef& ref, Stored& stored, Json after) {
  normalize(after);
  RETURN_IF_ERROR(check_change(stored.object, after));
  if (kube::value_in(after, {"spec"}) != kube::value_in(stored.object, {"spec"})) {
    after[kMetadata]["generation"] = after[kMetadata].value("generation", 0) + 1;
  }
  if (after == stored.object) return stored.object;
  after[kMetadata]["resourceVersion"] = next_version();
  const Json before = std::exchange(stored.object, std::move(after));
  if (stored.object[kMetadata].contains("deletionTimestamp") && !has_finalizers(stored.object)) {
    Json last = stored.object;
    take_away(ref, before);
    return last;
  }
  tell(ref, before, stored.object);
  return stored.object;
}

base::Result<Json> FakeApiServer::apply_part(const Json& object, std::string_view manager,
                                             bool status) {
  const ObjectRef ref = ref_of(object);
  note(status ? "apply_status" : "apply", ref);
  const auto found = objects_.find(key_of(ref));
  if (found == objects_.end()) {
    if (status) return base::not_found(ref.to_string());
    return put_new(ref, object, manager);
  }
  Stored& stored = found->second;
  Json others = Json::object();
  for (const auto& [name, applied] : stored.applied) {
    if (name != manager) others = merge_all(others, applied);
  }
  const auto mine = stored.applied.find(manager);
  const Json before = mine == stored.applied.end() ? Json::object() : mine->second;
  Json after = merge_applied(stored.object, before, object, others);
  stored.applied[std::string(manager)] = object;
  return store(ref, stored, std::move(after));
}

base::Result<Json> FakeApiServer::apply(const Json& object, std::string_view manager) {
  return apply_part(object, manager, false);
}

base::Result<Json> FakeApiServer::apply_status(const Json& object, std::string_view manager) {
  return apply_part(object, manager, true);
}

base::Result<Json> FakeApiServer::merge_patch(const ObjectRef& ref, const Json& patch,
                                              std::string_view /*subresource*/) {
  note("patch", ref);
  const auto found = objects_.find(key_of(ref));
  if (found == objects_.end()) return base::not_found(ref.to_string());
  const std::string wanted = kube::resource_version_of(patch);
  if (!wanted.empty() && wanted != kube::resource_version_of(found->second.object)) {
    return conflict(ref);
  }
  const std::string uid = kube::uid_of(patch);
  if (!uid.empty() && uid != kube::uid_of(found->second.object)) return conflict(ref);
  Json after = found->second.object;
  after.merge_patch(patch);
  return store(ref, found->second, std::move(after));
}

base::Result<Json> FakeApiServer::update(const Json& object, std::string_view /*subresource*/) {
  const ObjectRef ref = ref_of(object);
  note("update", ref);
  const auto found = objects_.find(key_of(ref));
  if (found == objects_.end()) return base::not_found(ref.to_string());
  if (kube::resource_version_of(object) != kube::resource_version_of(found->second.object)) {
    return conflict(ref);
  }
  return store(ref, found->second, object);
}

base::Status FakeApiServer::remove(const ObjectRef& ref, const kube::Preconditions& preconditions,
                                   kube::Propagation propagation) {
  note("remove", ref);
  const auto found = objects_.find(key_of(ref));
  if (found == objects_.end()) return {};
  Json& object = found->second.object;
  if ((!preconditions.uid.empty() && preconditions.uid != kube::uid_of(object)) ||
      (!preconditions.resource_version.empty() &&
       preconditions.resource_version != kube::resource_version_of(object))) {
    return conflict(ref);
  }
  if (propagation != kube::Propagation::kOrphan && !has_finalizers(object)) {
    take_away(ref, object);
    return {};
  }
  const Json before = object;
  Json& metadata = object[kMetadata];
  if (propagation == kube::Propagation::kOrphan) metadata["finalizers"].push_back("orphan");
  if (!metadata.contains("deletionTimestamp")) {
    metadata["deletionTimestamp"] = seconds_text(now_);
    metadata["deletionGracePeriodSeconds"] = 0;
  }
  if (object == before) return {};
  metadata["resourceVersion"] = next_version();
  tell(ref, before, object);
  return {};
}

const Json* FakeApiServer::find(const kube::ResourceType& type, std::string_view name_space,
                                std::string_view name) const {
  const auto found =
      objects_.find({std::string(type.kind), {std::string(name_space), std::string(name)}});
  return found == objects_.end() ? nullptr : &found->second.object;
}

std::vector<const Json*> FakeApiServer::all() const {
  std::vector<const Json*> objects;
  for (const auto& [key, stored] : objects_) objects.push_back(&stored.object);
  return objects;
}

std::vector<const Json*> FakeApiServer::all(const kube::ResourceType& type) const {
  std::vector<const Json*> objects;
  for (const auto& [key, stored] : objects_) {
    if (key.first == type.kind) objects.push_back(&stored.object);
  }
  return objects;
}

void FakeApiServer::change(const kube::ResourceType& type, std::string_view name_space,
                           std::string_view name, const std::function<void(Json&)>& edit) {
  const ObjectRef ref{&type, std::string(name_space), std::string(name)};
  const auto found = objects_.find(key_of(ref));
  CHECK(found != objects_.end());
  Json after = found->second.object;
  edit(after);
  normalize(after);
  if (after == found->second.object) return;  // as mostly, where a controller looks again
  CHECK(store(ref, found->second, std::move(after)).has_value());
}

void FakeApiServer::erase(const kube::ResourceType& type, std::string_view name_space,
                          std::string_view name) {
  if (const Json* object = find(type, name_space, name)) {
    take_away({&type, std::string(name_space), std::string(name)}, *object);
  }
}

}  // namespace sluice::test
