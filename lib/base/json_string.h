#pragma once

#include <string>
#include <string_view>

namespace sluice::base {

// Appends `text` as a JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD, so that
// the line around them stays readable whatever a client sent. Programs that build whole documents
// use a JSON library.
void append_json_string(std::string& out, std::string_view text);

}  // namespace sluice::base
