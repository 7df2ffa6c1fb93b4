#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sluice::frontend {

inline constexpr std::size_t kSessionTagBytes = 8;

// The half of a session's id that tells whose it is: BLAKE2b of the client's public key. The same
// in every process, so that also after a restart nobody can resume with another key.
std::array<std::byte, kSessionTagBytes> session_tag(std::string_view public_key);

}  // namespace sluice::frontend
