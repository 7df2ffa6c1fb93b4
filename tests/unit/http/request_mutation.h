#pragma once

#include <string>

#include "base/prng.h"

namespace sluice::test {

// A request (or several, or a piece of one) with up to five changes: bytes turned, cut out, doubled
// or cut off, and what parsers have stumbled over put in.
std::string mutated_request(base::Prng& prng);

}  // namespace sluice::test
