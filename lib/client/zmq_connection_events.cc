#include "client/zmq_connection_events.h"

#include <zmq.h>

namespace sluice::client {
namespace {

HandshakeFailure failure_of(std::uint16_t event) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return HandshakeFailure::kKeyRefused;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      return HandshakeFailure::kProtocol;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      return HandshakeFailure::kBrokenOff;
    default:
      return HandshakeFailure::kNone;
  }
}

}  // namespace

bool ConnectionEvents::take(std::uint16_t event) {
  connected_ = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
  if (failure_ == HandshakeFailure::kNone) failure_ = failure_of(event);
  return event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_CLOSED;
}

}  // namespace sluice::client
