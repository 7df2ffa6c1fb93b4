#include "operator/reconcile/subset_diff.h"

#include <array>
#include <string_view>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/quantity.h"

namespace sluice::reconcile {
namespace {

constexpr std::size_t kShownMax = 120;

// Lists that the API server merges by key, by the name of the field. The first key that all wanted
// items have is the one.
struct KeyedList {
  std::string_view field;
  std::array<std::string_view, 2> keys;
};
constexpr KeyedList kKeyedLists[] = {
    {"containers", {"name", ""}},        {"initContainers", {"name", ""}},
    {"volumes", {"name", ""}},           {"env", {"name", ""}},
    {"volumeMounts", {"mountPath", ""}}, {"ports", {"name", "port"}},
    {"ownerReferences", {"uid", ""}},    {"conditions", {"type", ""}},
    {"subscriptions", {"name", ""}},
};

class Comparison {
 public:
  std::optional<std::string> compare(const Json& wanted, const Json& live, const std::string& path,
                                     std::string_view field, bool amounts) const {
    if (wanted.is_object()) return compare_maps(wanted, live, path, amounts);
    if (wanted.is_array()) return compare_lists(wanted, live, path, field, amounts);
    if (wanted == live) return std::nullopt;
    if (amounts && wanted.is_string() && live.is_string() &&
        same_quantity(wanted.get_ref<const std::string&>(), live.get_ref<const std::string&>())) {
      return std::nullopt;
    }
    return differ(path, &wanted, &live);
  }

 private:
  static std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > kShownMax) text = text.substr(0, kShownMax) + "...";
    return text;
  }

  // Values of Secrets are told to nobody.
  static std::string differ(const std::string& path, const Json* wanted, const Json* live) {
    if (path.starts_with("data.")) return path + ": differs";
    return path + ": " + (wanted == nullptr ? "nothing" : shown(*wanted)) + " is wanted, " +
           (live == nullptr ? "nothing" : shown(*live)) + " is there";
  }

  static bool is_nothing(const Json& value) {
    return value.is_null() || ((value.is_object() || value.is_array()) && value.empty());
  }

  std::optional<std::string> compare_maps(const Json& wanted, const Json& live,
                                          const std::string& path, bool amounts) const {
    if (!live.is_object()) return differ(path, &wanted, &live);
    for (const auto& [name, value] : wanted.items()) {
      const std::string below = path.empty() ? name : std::string(path).append(".").append(name);
      const Json* there = find_at(live, {name});
      if (there == nullptr) {
        if (is_nothing(value)) continue;
        return differ(below, &value, nullptr);
      }
      const bool are_amounts =
          amounts || name == "requests" || name == "limits" || name == "capacity";
      if (auto difference = compare(value, *there, below, name, are_amounts)) return difference;
    }
    return std::nullopt;
  }

  static std::string_view key_of(std::string_view field, const Json& wanted) {
    for (const KeyedList& list : kKeyedLists) {
      if (list.field != field) continue;
      for (const std::string_view key : list.keys) {
        bool all = !key.empty();
        for (const Json& item : wanted) all = all && find_at(item, {key}) != nullptr;
        if (all) return key;
      }
    }
    return {};
  }

  static const Json* with_key(const Json& items, std::string_view key, const Json& value) {
    for (const Json& item : items) {
      const Json* found = find_at(item, {key});
      if (found != nullptr && *found == value) return &item;
    }
    return nullptr;
  }

  std::optional<std::string> compare_lists(const Json& wanted, const Json& live,
                                           const std::string& path, std::string_view field,
                                           bool amounts) const {
    if (!live.is_array()) return differ(path, &wanted, &live);
    const std::string_view key = key_of(field, wanted);
    if (key.empty() && wanted.size() != live.size()) return differ(path, &wanted, &live);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Json* there = nullptr;
      std::string below = path + "[" + std::to_string(i) + "]";
      if (key.empty()) {
        there = &live[i];
      } else {
        const Json& value = *find_at(wanted[i], {key});
        there = with_key(live, key, value);
        below = path + "[" + (value.is_string() ? value.get<std::string>() : value.dump()) + "]";
        if (there == nullptr) return differ(below, &wanted[i], nullptr);
      }
      if (auto difference = compare(wanted[i], *there, below, {}, amounts)) return difference;
    }
    return std::nullopt;
  }
};

}  // namespace

std::optional<std::string> subset_diff(const Json& wanted, const Json& live) {
  return Comparison{}.compare(wanted, live, "", {}, false);
}

}  // namespace sluice::reconcile
