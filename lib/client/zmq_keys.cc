#include "client/zmq_keys.h"

#include <zmq.h>

#include <array>
#include <cerrno>

#include "access/key_text.h"

namespace sluice::client {
namespace {

using KeyBuffer = std::array<char, access::kKeyTextBytes + 1>;

base::Error key_error(int code) {
  if (code == ENOTSUP) {
    return {base::ErrorCode::kUnimplemented, "keys: this libzmq was built without CURVE"};
  }
  return base::invalid_argument(std::string("key: ") + zmq_strerror(code));
}

}  // namespace

base::Result<KeyPair> make_key_pair() {
  KeyBuffer public_key{};
  KeyBuffer secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) return key_error(errno);
  return KeyPair{public_key.data(), secret_key.data()};
}

base::Result<std::string> public_key_of(const std::string& secret_key) {
  if (!access::is_key_text(secret_key)) {
    return base::invalid_argument("secret key: 40 characters of Z85 expected");
  }
  KeyBuffer public_key{};
  if (zmq_curve_public(public_key.data(), secret_key.c_str()) != 0) return key_error(errno);
  return std::string(public_key.data());
}

}  // namespace sluice::client
