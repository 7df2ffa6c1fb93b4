#pragma once

#include <nlohmann/json.hpp>

namespace sluice::kube {

// Objects of the API as documents: only the fields that somebody acts on have names here.
using Json = nlohmann::json;

}  // namespace sluice::kube
