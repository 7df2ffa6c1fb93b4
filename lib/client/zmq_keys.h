#pragma once

#include <string>

#include "base/result.h"

namespace sluice::client {

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

// A new pair of CURVE keys, as text. Unimplemented where this libzmq has no CURVE.
base::Result<KeyPair> make_key_pair();
// The public key of a secret one. InvalidArgument where the text is no key.
base::Result<std::string> public_key_of(const std::string& secret_key);

}  // namespace sluice::client
