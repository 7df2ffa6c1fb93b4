#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::access {

// What a key may do; docs/protocol.md, "Roles", says which frames each one opens.
enum class Role : std::uint8_t {
  kProduce = 1,
  kConsume = 2,
  kInspect = 4,
  kAdmin = 8,
  kOperator = 16,  // the control port, and nothing else
};

// Some of them, or none.
class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(Role role) : bits_(static_cast<std::uint8_t>(role)) {}  // NOLINT

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool any_of(RoleSet other) const { return (bits_ & other.bits_) != 0; }
  friend constexpr RoleSet operator|(RoleSet a, RoleSet b) {
    RoleSet both;
    both.bits_ = a.bits_ | b.bits_;
    return both;
  }
  friend constexpr RoleSet operator|(Role a, Role b) { return RoleSet(a) | RoleSet(b); }
  friend constexpr bool operator==(RoleSet, RoleSet) = default;

 private:
  std::uint8_t bits_ = 0;
};

// "produce,consume"; InvalidArgument names the word that is no role, or says that there is none.
base::Result<RoleSet> parse_roles(std::string_view text);
// The same way round: "produce,consume"; with `glue` " or " for people.
std::string to_string(RoleSet roles, std::string_view glue = ",");

}  // namespace sluice::access
