#include "base/fnv1a.h"
#include "operator/link/broker_link.h"

namespace sluice::link {

std::uint64_t manifest_revision(std::string_view manifest) {
  const std::uint64_t hash = base::fnv1a(manifest);
  return hash == 0 ? 1 : hash;
}

}  // namespace sluice::link
