#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::base {

inline constexpr std::uint64_t kFnv1aStart = 0xCBF29CE484222325U;

// FNV-1a of 64 bits: short texts to numbers that are the same for ever (docs/protocol.md, "Shard
// map", depends on it). Not for texts that an adversary chooses.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t start = kFnv1aStart) {
  std::uint64_t hash = start;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

}  // namespace sluice::base
