#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "client/frame_buffer.h"

namespace sluice::client {

// The network and the clock under a Connection: one connection to one endpoint, frames in order or
// not at all. Used by the connection's thread only, but for interrupt().
class Transport {
 public:
  enum class Event {
    kFrames,   // there may be something to receive
    kTimeout,  // nothing happened
    kLost,     // the connection is gone; what had arrived before can still be received
    kInterrupted,
  };

  virtual ~Transport() = default;
  // Of a clock that never goes back.
  virtual base::MonoTime now() const = 0;
  // Forgets the present connection with all that was under way, and begins a new one, to the
  // endpoint whose turn it is: they take turns in their order, for ever. Fails when the endpoint
  // can never be one; that nobody answers there is an Event of later.
  virtual base::Status connect(std::size_t turn) = 0;
  // How many there are to be tried.
  virtual std::size_t endpoints() const { return 1; }
  // False = not taken: no connection, or full. Never blocks.
  virtual bool send(base::ByteView frame) = 0;
  // Without a copy: the buffer is read until OutboundBuffer::in_transport() is false.
  virtual bool send(std::shared_ptr<OutboundBuffer> frame) = 0;
  virtual std::optional<InboundFrame> receive() = 0;
  virtual Event wait(base::Nanos timeout) = 0;
  // A transport to another endpoint, with the same keys, that this one's wait() also waits for
  // (kFrames: there may be something at one of them). It must not outlive this one. nullptr where
  // there is no such thing.
  virtual std::unique_ptr<Transport> peer(const std::string& /*endpoint*/) { return nullptr; }
  // Any thread: the wait() of now, or else the next one, returns with kInterrupted.
  virtual void interrupt() = 0;
  // Why the last connection ended before anything could be said; an empty text = it did not.
  struct Refusal {
    std::string text;
    // False: a broker that stops or starts just then looks the same.
    bool certain = false;
  };
  virtual Refusal refusal() const { return {}; }
};

}  // namespace sluice::client
