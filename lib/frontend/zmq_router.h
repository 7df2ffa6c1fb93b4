#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "frontend/frame_output.h"
#include "frontend/session_table.h"
#include "frontend/zmq_context.h"
#include "frontend/zmq_monitor.h"

namespace sluice::frontend {

struct RouterOptions {
  Port port = Port::kClient;
  std::uint8_t door = 0;  // its number, in its peers
  std::string endpoint;   // tcp://HOST:PORT; port 0 or * = any free one
  // The secret key of a CURVE server, as text; empty = everybody is let in and reads along. With a
  // key, what comes from a connection that no gatekeeper has let in is kStranger.
  std::string curve_secret;
  base::Millis handshake_timeout{5'000};
  // Frames that wait for a peer that does not read, beyond ZeroMQ's own queue. Deliveries stop
  // before that (BrokerOptions::unsent_bytes_max), so this is for what else it has asked for.
  std::size_t outbox_bytes_max = 32U << 20;
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
  // The public key that the connection has proven; empty = none. Not of kStranger.
  std::string_view user;
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

  // To whom the last frame came from, also if it is nobody; lost where it cannot leave at once.
  void answer_or_drop(base::ByteView frame);

  SendResult send(Peer peer, base::ByteView frame) override;
  SendResult send(Peer peer, std::size_t bytes, const Fill& fill) override;
  void send_or_drop(Peer peer, base::ByteView frame) override;
  void forget(Peer peer) override;
  std::size_t waiting_bytes(Peer peer) override;

  // Tries to send what waits in outboxes. ZeroMQ does not tell when a peer is ready again, so the
  // loop calls this about every millisecond while has_waiting(). Returns the peers that are gone.
  std::vector<Peer> flush();
  bool has_waiting() const;
  std::uint64_t frames_sent() const;

  // Takes and sends nothing more; what was sent has so long to leave, while the context lives.
  void close(int linger_ms);
  std::uint8_t door() const;
  // What is told about its connections, in order; nothing = no more.
  std::optional<SocketEvent> next_event();
  // The descriptor of the connection that the last frame came by; -1 = not known.
  int received_fd();
  void* handle();  // for zmq_wait(), as the other
  void* monitor_handle();

 private:
  class Impl;
  explicit ZmqRouter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend
