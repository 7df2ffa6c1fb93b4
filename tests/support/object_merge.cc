#include "tests/support/object_merge.h"

#include <string>
#include <string_view>

namespace sluice::test {
namespace {

using kube::Json;

std::string key_of(std::string_view field, const Json& item) {
  if (!item.is_object()) return {};
  if (field == "ownerReferences") return item.value("uid", "");
  if (field == "volumeMounts") return item.value("mountPath", "");
  if (field == "conditions") return item.value("type", "");
  if (field == "containers" || field == "volumes" || field == "env" || field == "subscriptions") {
    return item.value("name", "");
  }
  if (field == "ports" && item.contains("name")) return item.value("name", "");
  return {};
}

const Json* find_item(std::string_view field, const Json& list, const std::string& key) {
  if (!list.is_array()) return nullptr;
  for (const Json& item : list) {
    if (key_of(field, item) == key) return &item;
  }
  return nullptr;
}

const Json& child(const Json& object, const std::string& name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

bool is_keyed(std::string_view field, const Json& list) {
  return list.is_array() && !list.empty() && !key_of(field, list.front()).empty();
}

Json merge(std::string_view field, const Json& live, const Json& before, const Json& wanted,
           const Json& others);

Json merge_lists(std::string_view field, const Json& live, const Json& before, const Json& wanted,
                 const Json& others) {
  if (!is_keyed(field, wanted) || !live.is_array()) return wanted;
  static const Json kNothing;
  const auto item_of = [&](const Json& list, const std::string& key) -> const Json& {
    const Json* found = find_item(field, list, key);
    return found == nullptr ? kNothing : *found;
  };
  Json merged = Json::array();
  for (const Json& item : wanted) {
    const std::string key = key_of(field, item);
    merged.push_back(
        merge({}, item_of(live, key), item_of(before, key), item, item_of(others, key)));
  }
  for (const Json& item : live) {
    const std::string key = key_of(field, item);
    if (find_item(field, wanted, key) != nullptr) continue;
    const bool was_ours = find_item(field, before, key) != nullptr;
    if (!was_ours || find_item(field, others, key) != nullptr) merged.push_back(item);
  }
  return merged;
}

Json merge(std::string_view field, const Json& live, const Json& before, const Json& wanted,
           const Json& others) {
  if (wanted.is_array()) return merge_lists(field, live, before, wanted, others);
  if (!wanted.is_object() || !live.is_object()) return wanted;
  Json merged = live;
  if (before.is_object()) {
    for (const auto& [name, value] : before.items()) {
      if (!wanted.contains(name) && child(others, name).is_null()) merged.erase(name);
    }
  }
  for (const auto& [name, value] : wanted.items()) {
    merged[name] = merge(name, child(live, name), child(before, name), value, child(others, name));
  }
  return merged;
}

}  // namespace

kube::Json merge_applied(const kube::Json& live, const kube::Json& before, const kube::Json& wanted,
                         const kube::Json& others) {
  return merge({}, live, before, wanted, others);
}

kube::Json merge_all(const kube::Json& a, const kube::Json& b) { return merge({}, a, {}, b, a); }

}  // namespace sluice::test
