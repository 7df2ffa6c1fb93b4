#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/api.h"

namespace sluice::cli::test {

// Objects in memory, to be read: by path, and by one equality of labels. Writing is refused.
class FakeApi final : public kube::Api {
 public:
  void add(const kube::Json& object) {
    const auto ref = kube::ref_of(object);
    CHECK(ref.has_value());
    objects_[kube::object_path(*ref)] = object;
  }
  // Reading what lies below this path fails from now on.
  void deny(std::string path) { denied_.push_back(std::move(path)); }

  base::Result<kube::Json> get(const kube::ObjectRef& ref) override {
    const std::string path = kube::object_path(ref);
    if (is_denied(path)) return denial(path);
    const auto found = objects_.find(path);
    if (found == objects_.end()) return base::not_found(ref.to_string() + " not found");
    return found->second;
  }

  base::Result<kube::Json> list(const kube::ResourceType& type, std::string_view name_space,
                                const kube::Selectors& selectors) override {
    if (is_denied(kube::collection_path(type, name_space))) return denial(std::string(type.plural));
    kube::Json items = kube::Json::array();
    for (const auto& [path, object] : objects_) {
      const auto ref = kube::ref_of(object);
      if (ref->type != &type || (!name_space.empty() && ref->name_space != name_space)) continue;
      kube::Json item = object;
      // As the API server leaves them out of the items of a list.
      item.erase("kind");
      item.erase("apiVersion");
      if (has_label(item, selectors.label)) items.push_back(std::move(item));
    }
    return kube::Json{{"kind", std::string(type.kind) + "List"}, {"items", std::move(items)}};
  }

  base::Result<kube::Json> create(const kube::Json&) override { return refusal(); }
  base::Result<kube::Json> apply(const kube::Json&, std::string_view) override { return refusal(); }
  base::Result<kube::Json> apply_status(const kube::Json&, std::string_view) override {
    return refusal();
  }
  base::Result<kube::Json> merge_patch(const kube::ObjectRef&, const kube::Json&,
                                       std::string_view) override {
    return refusal();
  }
  base::Result<kube::Json> update(const kube::Json&, std::string_view) override {
    return refusal();
  }
  base::Status remove(const kube::ObjectRef&, const kube::Preconditions&,
                      kube::Propagation) override {
    return refusal();
  }

 private:
  static base::Error refusal() {
    return {base::ErrorCode::kPermissionDenied, "this program only reads"};
  }
  static base::Error denial(const std::string& what) {
    return {base::ErrorCode::kPermissionDenied, what + " is forbidden"};
  }
  bool is_denied(const std::string& path) const {
    for (const std::string& prefix : denied_) {
      if (path.starts_with(prefix)) return true;
    }
    return false;
  }
  static bool has_label(const kube::Json& object, const std::string& selector) {
    if (selector.empty()) return true;
    const std::size_t equals = selector.find('=');
    const kube::Json& labels = kube::value_in(object, {"metadata", "labels"});
    return kube::text_in(labels, selector.substr(0, equals)) == selector.substr(equals + 1);
  }

  std::map<std::string, kube::Json> objects_;
  std::vector<std::string> denied_;
};

// A Queue of namespace shop.
inline kube::Json queue_object(const std::string& name, const std::string& broker = "") {
  kube::Json queue = {{"apiVersion", "sluice.dev/v1alpha1"},
                      {"kind", "Queue"},
                      {"metadata", {{"name", name}, {"namespace", "shop"}, {"uid", "u-" + name}}},
                      {"spec", kube::Json::object()}};
  if (!broker.empty()) queue["spec"]["broker"]["name"] = broker;
  return queue;
}

// `data` is base64 already.
inline kube::Json secret_object(const std::string& name, const kube::Json& data) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", {{"name", name}, {"namespace", "shop"}}},
          {"data", data}};
}

}  // namespace sluice::cli::test
