#pragma once

#include <cstdint>

namespace sluice::client {

enum class HandshakeFailure {
  kNone,
  // The other side has looked at our key and refused it.
  kKeyRefused,
  // What it said was no handshake with our keys.
  kProtocol,
  // It broke off without a word. A broker that starts or stops just then does the same.
  kBrokenOff,
};

// What the events of one connection add up to. libzmq tells why a handshake failed before it tells
// that the connection is gone, and whoever reads may come in between: the reason stays.
class ConnectionEvents {
 public:
  // One of ZMQ_EVENT_*. True = the connection is gone, or never came about.
  bool take(std::uint16_t event);

  bool connected() const { return connected_; }
  // The first that was told: what follows it are consequences.
  HandshakeFailure failure() const { return failure_; }

 private:
  bool connected_ = false;
  HandshakeFailure failure_ = HandshakeFailure::kNone;
};

}  // namespace sluice::client
