#pragma once

#include <optional>
#include <string>

namespace sluice::reconcile {

// A CURVE key pair, both halves as text (access/key_text.h).
struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

// Where new keys come from. Asked for one only while a plan makes a Secret that does not exist yet,
// or begins a change of a broker's key, so plans are functions of their inputs everywhere else.
class KeyMaker {
 public:
  virtual ~KeyMaker() = default;
  virtual KeyPair make() = 0;
  // The public half that belongs to a secret one; none = that is no secret key.
  virtual std::optional<std::string> public_key_of(const std::string& secret_key) = 0;
};

}  // namespace sluice::reconcile
