#include "frontend/connection_watch.h"

#include "base/log.h"
#include "frontend/tcp_peer.h"

namespace sluice::frontend {
namespace {

// So that an error that was sent arrives before the connection ends, also where ZeroMQ's thread, or
// the peer, gets no processor for a while.
constexpr base::Nanos kParting{2'000'000'000};

// What a reason of docs/metrics.md means, in the words of a log.
std::string_view explain(std::string_view reason) {
  if (reason == "mechanism") return "one side has keys and the other has none";
  if (reason == "server_key") return "the client expects another broker's key";
  if (reason == "protocol") return "something else than a client speaks there";
  if (reason == "broken_off") return "it ended in its handshake, or took too long for it";
  if (reason == "gatekeeper") return "the gatekeeper answered wrongly; nobody is let in";
  if (reason == "crowded") return "too many connections without a session";
  if (reason == "no_hello") {
    return "nothing came behind its handshake: it is silent, or has the routing id of another one";
  }
  if (reason == "frame_before_hello") return "its first frame was too large for a hello";
  if (reason == "routing_id") return "it has chosen its own routing id, which the broker draws";
  if (reason == "accept") return "it could not be accepted: no descriptor is left";
  return "";
}

}  // namespace

void ConnectionWatch::add_to(std::vector<ZmqWaited>& waited) {
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    waited.push_back({doors_.router(i).monitor_handle()});
  }
}

void ConnectionWatch::look(base::Now now) {
  for (std::size_t i = 0; i < doors_.size(); ++i) take(now, doors_.router(i));
  cut(now);
}

void ConnectionWatch::tick(base::Now now) {
  guard_.review(now.mono, [this](Peer peer) { return sessions_.has_peer(peer); });
  look(now);
}

void ConnectionWatch::take(base::Now now, ZmqRouter& router) {
  while (const auto event = router.next_event()) {
    switch (event->kind) {
      case SocketEvent::Kind::kAccepted:
        guard_.accepted(now.mono, router.door(), event->fd, peer_address(event->fd));
        break;
      case SocketEvent::Kind::kEnded:
        guard_.ended(event->fd);
        break;
      case SocketEvent::Kind::kHandshakeFailed:
        count(now, event->reason, "", "");
        break;
      case SocketEvent::Kind::kAcceptFailed:
        count(now, "accept", "", "");
        break;
    }
  }
}

// That a connection was accepted is told before its first frame comes; so what was told is taken
// before anything is said about the connection of a frame.
void ConnectionWatch::admit(base::Now now, ZmqRouter& router, Peer peer) {
  take(now, router);
  guard_.admitted(router.received_fd(), peer);
}

bool ConnectionWatch::refuses(base::Now now, ZmqRouter& router, Peer peer,
                              std::size_t frame_bytes) {
  if (frame_bytes <= kFrameBytesBeforeHello || sessions_.has_peer(peer)) return false;
  take(now, router);
  guard_.condemn(now.mono, router.received_fd(), ConnectionGuard::Reason::kFrameBeforeHello, "");
  return true;
}

bool ConnectionWatch::refuses_chosen_id(base::Now now, ZmqRouter& router, std::string_view key) {
  take(now, router);
  return guard_.condemn(now.mono + kParting, router.received_fd(),
                        ConnectionGuard::Reason::kRoutingId, std::string(key));
}

void ConnectionWatch::cut(base::Now now) {
  for (const ConnectionGuard::Cut& cut : guard_.take_cuts(now.mono)) {
    count(now, to_string(cut.reason), cut.address, cut.key);
    cut_off(cut.fd, cut.address);
  }
}

void ConnectionWatch::count(base::Now now, std::string_view reason, const std::string& address,
                            std::string_view key) {
  ++failures_[std::string(reason)];
  const auto untold = quota_.take(now.mono);
  if (!untold) return;
  base::log_warn("handshake_failed", {{"reason", reason},
                                      {"why", explain(reason)},
                                      {"peer", address_text(address)},
                                      {"key", key},
                                      {"untold", *untold}});
}

}  // namespace sluice::frontend
