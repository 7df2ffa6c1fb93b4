#include "wire/manifest_revision.h"

#include "operator/link/broker_link.h"

namespace sluice::link {

std::uint64_t manifest_revision(std::string_view manifest) {
  return wire::manifest_revision(manifest);
}

}  // namespace sluice::link
