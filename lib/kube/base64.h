#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::kube {

// RFC 4648, section 4, with padding: as the API has binary fields. Line breaks are skipped.
base::Result<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace sluice::kube
