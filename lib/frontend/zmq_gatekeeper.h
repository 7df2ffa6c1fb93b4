#pragma once

#include <cstdint>
#include <memory>

#include "access/key_ring.h"
#include "base/result.h"
#include "base/time.h"
#include "frontend/zmq_context.h"

namespace sluice::frontend {

// Asked by ZeroMQ whether a key may connect (ZAP). While there is none, nobody is let in: the
// routers tell ZeroMQ to end such handshakes, and drop frames that come without a user. Has to
// exist before the routers are bound. Owned and called by the loop thread.
class ZmqGatekeeper {
 public:
  // FailedPrecondition where this libzmq has no CURVE; Unavailable where there is one already.
  static base::Result<std::unique_ptr<ZmqGatekeeper>> open(
      ZmqContext& context, std::shared_ptr<const access::KeyRing> ring);
  ~ZmqGatekeeper();
  ZmqGatekeeper(const ZmqGatekeeper&) = delete;
  ZmqGatekeeper& operator=(const ZmqGatekeeper&) = delete;

  // Of the next requests; connections that are there are not asked again.
  void set_ring(std::shared_ptr<const access::KeyRing> ring);
  // Answers what was asked.
  void serve(base::MonoTime now);
  std::uint64_t refused() const;
  void* handle();  // for zmq_wait()

 private:
  class Impl;
  explicit ZmqGatekeeper(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend
