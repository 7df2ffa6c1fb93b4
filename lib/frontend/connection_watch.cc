#include "frontend/connection_watch.h"

#include "base/log.h"
#include "frontend/tcp_peer.h"

namespace sluice::frontend {

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
        count(now, event->reason, "");
        break;
      case SocketEvent::Kind::kAcceptFailed:
        count(now, "accept", "");
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
  condemn(now, router, ConnectionGuard::Reason::kFrameBeforeHello);
  return true;
}

void ConnectionWatch::condemn(base::Now now, ZmqRouter& router, ConnectionGuard::Reason reason) {
  take(now, router);
  guard_.condemn(router.received_fd(), reason);
}

void ConnectionWatch::cut(base::Now now) {
  for (const ConnectionGuard::Cut& cut : guard_.take_cuts(now.mono)) {
    count(now, to_string(cut.reason), cut.address);
    cut_off(cut.fd, cut.address);
  }
}

void ConnectionWatch::count(base::Now now, std::string_view reason, const std::string& address) {
  ++failures_[std::string(reason)];
  const auto untold = quota_.take(now.mono);
  if (!untold) return;
  base::log_warn("handshake_failed",
                 {{"reason", reason}, {"peer", address_text(address)}, {"untold", *untold}});
}

}  // namespace sluice::frontend
