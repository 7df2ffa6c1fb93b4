#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_files.h"
#include "client/transport.h"

namespace sluice::client {

// "tcp://a:1, tcp://b:1" as a list.
std::vector<std::string> split_endpoints(std::string_view text);

// A ZeroMQ DEALER with a context of its own; `endpoint` may be several with commas between. The
// destructor gives what was sent last (GOODBYE) up to half a second to leave.
//
// With `keys_folder`, endpoint (unless the folder has none, or `endpoint_wins`) and keys are read
// from there for every connection, and a connection is given up for a new one when the folder names
// another endpoint or another key of the broker. With `credentials`, these are used; with neither,
// plain text.
std::unique_ptr<Transport> make_zmq_transport(std::string endpoint, std::string keys_folder = {},
                                              std::optional<access::Credentials> credentials = {},
                                              bool endpoint_wins = false);

}  // namespace sluice::client
