#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace sluice::base {

// CRC-32C (Castagnoli, reflected, initial and final value 0xFFFFFFFF), as in RFC 3720 B.4.
// `crc` is the result for the bytes before `data`, 0 at the start.
std::uint32_t crc32c(ByteView data, std::uint32_t crc = 0);

}  // namespace sluice::base
