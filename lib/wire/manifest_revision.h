#pragma once

#include <cstdint>
#include <string_view>

#include "base/fnv1a.h"

namespace sluice::wire {

// Names the text of a manifest (docs/protocol.md, CHANGES). Never 0.
constexpr std::uint64_t manifest_revision(std::string_view manifest) {
  const std::uint64_t hash = base::fnv1a(manifest);
  return hash == 0 ? 1 : hash;
}

}  // namespace sluice::wire
