#include "operator/reconcile/fields.h"

namespace sluice::reconcile {

const Json* find_at(const Json& object, Path path) {
  const Json* at = &object;
  for (const std::string_view step : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(step));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string text_at(const Json& object, Path path) {
  const Json* found = find_at(object, path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::int64_t> integer_at(const Json& object, Path path) {
  const Json* found = find_at(object, path);
  if (found == nullptr || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string annotation(const Json& object, std::string_view name) {
  return text_at(object, {"metadata", "annotations", name});
}

std::int64_t generation_of(const Json& object) {
  return integer_at(object, {"metadata", "generation"}).value_or(0);
}

bool is_being_removed(const Json& object) {
  return find_at(object, {"metadata", "deletionTimestamp"}) != nullptr;
}

bool is_owned_by(const Json& object, std::string_view uid) {
  const Json* owners = find_at(object, {"metadata", "ownerReferences"});
  if (owners == nullptr || !owners->is_array()) return false;
  for (const Json& owner : *owners) {
    if (text_at(owner, {"uid"}) == uid) return true;
  }
  return false;
}

}  // namespace sluice::reconcile
