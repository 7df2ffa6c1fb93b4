#pragma once

#include <string>
#include <string_view>

#include "base/message.h"

namespace sluice::cli {

// The part of a JSON line that tells of a message itself, for a line that goes on:
//   "key":"k","headers":{"a":"b"},"body":"text"
// A body that is no UTF-8 stands as "bodyBase64", the values of a repeated header as a list:
//   "headers":{"a":["b","c"]}
void append_message_json(std::string& out, const base::MessageAttributes& attributes,
                         std::string_view body);

// The body on one line of a table: at most `columns` characters, nothing that drives a terminal.
std::string body_preview(std::string_view body, std::size_t columns);

}  // namespace sluice::cli
