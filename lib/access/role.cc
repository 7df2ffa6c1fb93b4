#include "access/role.h"

#include <array>
#include <utility>

namespace sluice::access {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 5> kNames = {
    {{Role::kProduce, "produce"},
     {Role::kConsume, "consume"},
     {Role::kInspect, "inspect"},
     {Role::kAdmin, "admin"},
     {Role::kOperator, "operator"}}};

}  // namespace

base::Result<RoleSet> parse_roles(std::string_view text) {
  RoleSet roles;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    bool known = false;
    for (const auto& [role, name] : kNames) {
      if (name != word) continue;
      roles = roles | role;
      known = true;
    }
    if (!known) {
      return base::invalid_argument("\"" + std::string(word) +
                                    "\" is no role: produce, consume, inspect, admin, operator");
    }
    if (comma == std::string_view::npos) return roles;
    text.remove_prefix(comma + 1);
  }
}

std::string to_string(RoleSet roles, std::string_view glue) {
  std::string text;
  for (const auto& [role, name] : kNames) {
    if (!roles.any_of(role)) continue;
    if (!text.empty()) text += glue;
    text += name;
  }
  return text;
}

}  // namespace sluice::access
