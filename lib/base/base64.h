#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::base {

// RFC 4648, section 4, with padding. Line breaks are skipped; InvalidArgument says what is wrong.
Result<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace sluice::base
