#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "kube/json.h"

namespace sluice::kube {

struct JsonLimits {
  std::size_t bytes_max = 64ULL << 20;
  std::size_t depth_max = 64;
};

// One JSON document from text that a peer sent. InvalidArgument says what is wrong with it; of keys
// that come twice the last one counts, as for the API server.
base::Result<Json> read_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace sluice::kube
