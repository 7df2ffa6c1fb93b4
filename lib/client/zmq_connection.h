#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

// What every connection of ours to a broker has in common, whoever owns the sockets. Contexts and
// sockets are libzmq's own; a socket is its thread's.
namespace sluice::client {

// How long a connection, and then its handshake, may take.
inline constexpr int kConnectTimeoutMs = 5'000;
// How long GOODBYE, or what was sent last, has to leave.
inline constexpr int kGoodbyeLingerMs = 500;

void set_option(void* socket, int option, int value);

// A DEALER as docs/protocol.md has it under "Transport".
void set_up_dealer(void* socket);

// CURVE with these keys, in Z85. InvalidArgument: one of them is no key.
base::Status use_curve(void* socket, const std::string& secret_key, const std::string& broker_key);

// Before `socket` connects: a socket that hears what becomes of the connection. `name` is one of
// its own within the context. nullptr, and errno, where there are no more sockets.
void* watch_connection(void* context, void* socket, const std::string& name);

// What `monitor` has heard next, one of ZMQ_EVENT_*; nothing = no more for now.
std::optional<std::uint16_t> next_connection_event(void* monitor);

// For zmq_poll: rounded up, so that nobody turns around for less than a millisecond.
long poll_ms(base::Nanos timeout, std::int64_t ms_max);

}  // namespace sluice::client
