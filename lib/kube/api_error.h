#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::kube {

// The API server's refusal as an error of ours: `body` is its Status object, or whatever a proxy
// sent in its place; its message and causes are what a person is told. REQUIRES: status >= 300.
base::Error error_of(int http_status, std::string_view body);

// The field "reason" of a Status object ("Expired", "AlreadyExists"), empty where there is none.
std::string reason_of_status(std::string_view body);

}  // namespace sluice::kube
