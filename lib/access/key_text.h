#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::access {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kKeyTextBytes = 40;

// Keys are written as Z85 (ZeroMQ RFC 32): 40 printable characters without white space.
bool is_key_text(std::string_view text);
// REQUIRES: key.size() == kKeyBytes.
std::string to_key_text(base::ByteView key);

}  // namespace sluice::access
