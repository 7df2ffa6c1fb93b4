#pragma once

#include <memory>
#include <string>

#include "client/connection.h"
#include "client/transport.h"

namespace sluice::client {

// A ZeroMQ DEALER with a context of its own. The destructor gives what was sent last (GOODBYE) up
// to half a second to leave.
std::unique_ptr<Transport> make_zmq_transport(std::string endpoint, CurveKeys keys = {});

// Host name and process id: who a client is when nobody says.
std::string default_client_name();

}  // namespace sluice::client
