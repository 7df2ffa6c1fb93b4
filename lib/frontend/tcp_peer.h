#pragma once

#include <string>

namespace sluice::frontend {

// The other end of a connection, as bytes to compare; empty where there is none.
std::string peer_address(int fd);
// "10.0.0.7:41234", for people.
std::string address_text(const std::string& address);
// Ends the connection under ZeroMQ, which offers no way to; it then closes the descriptor itself.
// Does nothing, and returns false, unless the other end is still `address`: the number may be
// another connection's by now.
bool cut_off(int fd, const std::string& address);

}  // namespace sluice::frontend
