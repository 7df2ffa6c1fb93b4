#pragma once

#include <string>

namespace sluice::reconcile {

// A CURVE key pair, both halves as text (access/key_text.h).
struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

// Where new keys come from. Asked only while a plan makes a Secret that does not exist yet, or
// begins a change of a broker's key, so plans are functions of their inputs everywhere else.
class KeyMaker {
 public:
  virtual ~KeyMaker() = default;
  virtual KeyPair make() = 0;
};

}  // namespace sluice::reconcile
