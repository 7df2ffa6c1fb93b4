#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "frontend/session_table.h"
#include "storage/log.h"

namespace sluice::sim {

// Sees every frame that the broker is given and that leaves it, in their true order.
class FrameTap {
 public:
  virtual ~FrameTap() = default;
  virtual void received(base::Now now, frontend::Peer peer, base::ByteView frame) = 0;
  virtual void sent(base::Now now, frontend::Peer peer, base::ByteView frame) = 0;
  // A frame could not be sent: the connection is gone, or takes no more.
  virtual void not_sent(frontend::Peer peer) = 0;
  // What is committed is about to leave.
  virtual void releasing(base::Now now, const storage::LogPositions& positions) = 0;
};

}  // namespace sluice::sim
