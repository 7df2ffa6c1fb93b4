#include "kube/json.h"

#include "base/wall_text.h"

namespace sluice::kube {

std::string text_in(const Json& object, std::string_view key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& value_in(const Json& object, std::initializer_list<std::string_view> path) {
  static const Json kNothing;
  const Json* at = &object;
  for (const std::string_view key : path) {
    if (!at->is_object()) return kNothing;
    const auto found = at->find(key);
    if (found == at->end()) return kNothing;
    at = &*found;
  }
  return *at;
}

std::string micro_time(base::WallTime time) {
  std::string text = base::format_wall(time);
  text.insert(text.size() - 1, "000");
  return text;
}

}  // namespace sluice::kube
