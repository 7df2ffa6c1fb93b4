#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace sluice::sim {

inline constexpr std::size_t kBodyBytesMin = 16;

// A body that tells which message it is, and that it is whole: every byte follows from the tag and
// the length.
std::string make_body(std::uint64_t tag, std::size_t bytes);
// The tag of a body that is exactly as make_body() made it.
std::optional<std::uint64_t> read_body(base::ByteView body);

}  // namespace sluice::sim
