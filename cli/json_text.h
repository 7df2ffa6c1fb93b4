#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

// JSON lines are put together by hand where they come by the hundred thousand a second.

bool is_utf8(std::string_view text);
void append_number(std::string& out, std::uint64_t number);

}  // namespace sluice::cli
