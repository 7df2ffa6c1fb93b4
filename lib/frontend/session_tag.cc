#include "frontend/session_tag.h"

#include <sodium.h>

#include <cstring>

#include "base/check.h"

namespace sluice::frontend {
namespace {

// Says what is hashed, so that a hash of the same key for another purpose is another one.
constexpr std::string_view kPurpose = "sluice session id";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::array<std::byte, kSessionTagBytes> session_tag(std::string_view public_key) {
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  CHECK(crypto_generichash(hash.data(), hash.size(), bytes_of(public_key), public_key.size(),
                           bytes_of(kPurpose), kPurpose.size()) == 0);
  std::array<std::byte, kSessionTagBytes> tag{};
  std::memcpy(tag.data(), hash.data(), tag.size());
  return tag;
}

}  // namespace sluice::frontend
