#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"
#include "frontend/session_table.h"

namespace sluice::frontend {

enum class SendResult : std::uint8_t {
  kSent,      // handed to the connection, or waiting for it in order
  kNoPeer,    // the connection is gone
  kOverflow,  // the peer does not read and its outbox is full; nothing of this frame was sent
  kFailed,    // the frame could not be filled
};

// Where frames to peers go. Never blocks. Loop thread only.
class FrameOutput {
 public:
  // Writes the whole frame; an error drops it.
  using Fill = std::function<base::Status(base::MutableByteView)>;

  virtual ~FrameOutput() = default;
  virtual SendResult send(Peer peer, base::ByteView frame) = 0;
  // The same without a copy: `fill` writes straight into the frame that is sent, and is called at
  // most once, before this returns.
  virtual SendResult send(Peer peer, std::size_t bytes, const Fill& fill) = 0;
  // For answers to peers that nobody knows: dropped where the peer is not ready to take it.
  virtual void send_or_drop(Peer peer, base::ByteView frame) = 0;
  // Bytes of frames to this peer that have not left the process, as far as that is known; a little
  // more for a frame that is kept here, so that very many small ones count too.
  virtual std::size_t waiting_bytes(Peer peer) {
    static_cast<void>(peer);
    return 0;
  }
  // What waits for this peer is dropped.
  virtual void forget(Peer peer) = 0;
};

}  // namespace sluice::frontend
