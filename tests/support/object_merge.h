#pragma once

#include "kube/json.h"

// How an API server merges documents, as far as the operator's objects need it.
namespace sluice::test {

// Server-side apply of one manager: `before` is what it applied last, `wanted` what it applies now.
// What it left out goes, unless `others` (what the other managers applied) has it too. Lists whose
// items have a key are merged by key, others replaced.
kube::Json merge_applied(const kube::Json& live, const kube::Json& before, const kube::Json& wanted,
                         const kube::Json& others);

// What everybody applied together.
kube::Json merge_all(const kube::Json& a, const kube::Json& b);

}  // namespace sluice::test
