#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace sluice::base {

using Sha256Digest = std::array<std::uint8_t, 32>;

// SHA-256 (FIPS 180-4): names that nobody can make up to be equal to another's. Not fast, and not
// for secrets.
Sha256Digest sha256(ByteView data);

}  // namespace sluice::base
