#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_ring.h"
#include "base/bytes.h"
#include "base/result.h"
#include "frontend/frame_output.h"
#include "frontend/session_table.h"

namespace sluice::frontend {

// One ZeroMQ context with one I/O thread. Outlives its routers.
class ZmqContext {
 public:
  ZmqContext();
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct RouterOptions {
  Port port = Port::kClient;
  std::string endpoint;  // tcp://HOST:PORT; port 0 or * = any free one
  // The secret key of a CURVE server, as text; empty = everybody is let in and reads along. With a
  // key, what comes from a connection that no gatekeeper has let in is kStranger.
  std::string curve_secret;
  // Frames that wait for a peer that does not read, beyond ZeroMQ's own queue.
  std::size_t outbox_bytes_max = 8U << 20;
  std::size_t outbox_frames_max = 65'536;
};

// What one receive() found. The view is valid until the next receive().
struct Inbound {
  enum class Kind : std::uint8_t {
    kNone,      // nothing waits
    kFrame,     // one frame from a peer
    kParts,     // a message of several frames, dropped
    kNobody,    // from a peer that chose its own routing id, dropped: it cannot be answered
    kStranger,  // from a peer whose key nobody has checked, dropped
  };
  Kind kind = Kind::kNone;
  Peer peer;
  base::ByteView frame;
  std::string_view user;  // the public key that the connection has proven; empty = none
};

// A bound ROUTER socket. Peers are named by the routing ids that ZeroMQ generates; a peer that does
// not read gets a bounded outbox and blocks nobody. Owned, called and destroyed by the loop thread;
// exceptions of cppzmq stay inside.
class ZmqRouter final : public FrameOutput {
 public:
  // InvalidArgument for an endpoint that is none, Unavailable where the address is taken.
  static base::Result<std::unique_ptr<ZmqRouter>> open(ZmqContext& context,
                                                       const RouterOptions& options);
  ~ZmqRouter() override;
  ZmqRouter(const ZmqRouter&) = delete;
  ZmqRouter& operator=(const ZmqRouter&) = delete;

  // As bound, with the real port.
  const std::string& endpoint() const;

  Inbound receive();

  SendResult send(Peer peer, base::ByteView frame) override;
  SendResult send(Peer peer, std::size_t bytes, const Fill& fill) override;
  void send_or_drop(Peer peer, base::ByteView frame) override;
  void forget(Peer peer) override;

  // Tries to send what waits in outboxes. ZeroMQ does not tell when a peer is ready again, so the
  // loop calls this about every millisecond while has_waiting(). Returns the peers that are gone.
  std::vector<Peer> flush();
  bool has_waiting() const;
  std::uint64_t frames_sent() const;

  // Takes and sends nothing more; what was sent has so long to leave, while the context lives.
  void close(int linger_ms);

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit ZmqRouter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Asked by ZeroMQ whether a key may connect (ZAP). While there is none, nobody is let in: ZeroMQ
// then passes connections on without a user, and the routers drop what comes from those. Has to
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
  void serve();
  std::uint64_t refused() const;

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit ZmqGatekeeper(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Waits for frames and for an event descriptor. Loop thread only.
struct PollResult {
  bool client = false;
  bool control = false;
  bool gatekeeper = false;
  bool event = false;
};
// Returns at once where something is ready; otherwise at the latest after `timeout_ms` (-1 = no
// limit). What is null is not looked at.
PollResult zmq_wait(ZmqRouter* client, ZmqRouter* control, ZmqGatekeeper* gatekeeper, int event_fd,
                    long timeout_ms);

}  // namespace sluice::frontend
