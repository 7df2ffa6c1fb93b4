#pragma once

namespace sluice::base {

// '0' to '9', whatever the locale says.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace sluice::base
