#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/role.h"
#include "base/result.h"

namespace sluice::access {

// What one key may do. Immutable once it is in a ring.
struct Grant {
  std::string id;  // for people and logs
  std::string public_key;
  RoleSet roles;
  std::vector<std::string> queues;  // names, or patterns that end in *

  bool covers(std::string_view queue) const;
  bool covers_all() const;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// The keys that a broker knows, by public key. Immutable: a change is another ring.
class KeyRing {
 public:
  static constexpr std::size_t kKeysMax = 10'000;
  static constexpr std::size_t kTextBytesMax = 4U << 20;

  // A file `authorized_keys`, as docs/access.md describes it. InvalidArgument names the line.
  static base::Result<KeyRing> parse(std::string_view text);

  // nullptr where nobody knows the key.
  std::shared_ptr<const Grant> find(std::string_view public_key) const;
  const std::map<std::string, std::shared_ptr<const Grant>, std::less<>>& grants() const {
    return grants_;
  }
  friend bool operator==(const KeyRing& a, const KeyRing& b);
  std::size_t size() const { return grants_.size(); }

 private:
  std::map<std::string, std::shared_ptr<const Grant>, std::less<>> grants_;
};

// The line of a key in such a file, without the end of line.
std::string to_line(const Grant& grant);
// Checks the fields of a grant that a person wrote.
base::Result<Grant> parse_grant(std::string_view id, std::string_view public_key,
                                std::string_view roles, std::string_view queues);

}  // namespace sluice::access
