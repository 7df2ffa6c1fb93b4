#pragma once

#include <cstdint>

#include "base/ids.h"

namespace sluice::runtime {

// Random bits of the operating system, good enough for names that nobody may guess. Safe from any
// thread. They cannot fail on a kernel that has them.
std::uint64_t random_seed();
base::Id128 random_id128();

}  // namespace sluice::runtime
