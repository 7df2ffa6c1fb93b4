#pragma once

#include <memory>

#include "frontend/zmq_context.h"

namespace sluice::frontend {

// Asks whoever ZeroMQ asks about keys whether it answers at all. ZeroMQ itself does not say so: a
// handshake that finds nobody to ask looks like one that its client has broken off.
//
// Owned and called by the loop thread.
class ZmqGatekeeperProbe {
 public:
  // Of tick()s in a row that found no answer.
  static constexpr int kMissesMax = 3;

  // `context` must outlive the probe.
  explicit ZmqGatekeeperProbe(ZmqContext& context);
  ~ZmqGatekeeperProbe();
  ZmqGatekeeperProbe(const ZmqGatekeeperProbe&) = delete;
  ZmqGatekeeperProbe& operator=(const ZmqGatekeeperProbe&) = delete;

  // Looks whether what was asked last is answered, and asks anew. About once a second; between two
  // of them the gatekeeper had its turn, so a loop that stands still is not taken for a gatekeeper
  // that does.
  void tick();
  // False once kMissesMax were missed, until there is an answer again.
  bool answers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend
