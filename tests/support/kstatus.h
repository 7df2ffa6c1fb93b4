#pragma once

#include <cstdint>

#include "kube/json.h"

namespace sluice::test {

// What tools that wait for objects (kubectl wait, Argo CD, Flux, Helm) conclude from an object, by
// the rules of kstatus.
enum class KStatus : std::uint8_t { kTerminating, kInProgress, kFailed, kCurrent };

KStatus kstatus(const kube::Json& object);

}  // namespace sluice::test
