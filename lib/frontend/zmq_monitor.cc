#include "frontend/zmq_monitor.h"

#include <zmq.h>

#include <array>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice::frontend {
namespace {

constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED |
                        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

// Number and value; a second part is the endpoint.
constexpr std::size_t kEventBytes = 6;
constexpr std::size_t kValueAt = 2;
constexpr std::uint32_t kZapErrors = 0x20000000;
constexpr std::uint32_t kErrorFamily = 0xF0000000;

std::string_view protocol_reason(std::uint32_t value) {
  if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) return "mechanism";
  if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) return "server_key";
  return (value & kErrorFamily) == kZapErrors ? "gatekeeper" : "protocol";
}

}  // namespace

ZmqMonitor::ZmqMonitor(void* context, void* socket, const std::string& name) : socket_(socket) {
  const std::string address = "inproc://monitor-" + name;
  CHECK(zmq_socket_monitor(socket_, address.c_str(), kEvents) == 0);
  pair_ = zmq_socket(context, ZMQ_PAIR);
  CHECK(pair_ != nullptr);
  // No limit: ZeroMQ's I/O thread would wait for us. Each turn of the loop takes all there is.
  const int none = 0;
  CHECK(zmq_setsockopt(pair_, ZMQ_RCVHWM, &none, sizeof none) == 0);
  CHECK(zmq_setsockopt(pair_, ZMQ_LINGER, &none, sizeof none) == 0);
  CHECK(zmq_connect(pair_, address.c_str()) == 0);
}

ZmqMonitor::~ZmqMonitor() {
  zmq_socket_monitor(socket_, nullptr, 0);
  zmq_close(pair_);
}

std::optional<SocketEvent> ZmqMonitor::next() {
  while (true) {
    std::array<std::byte, 8> event{};
    const int size = zmq_recv(pair_, event.data(), event.size(), ZMQ_DONTWAIT);
    if (size < 0) return std::nullopt;
    std::array<char, 256> endpoint;
    zmq_recv(pair_, endpoint.data(), endpoint.size(), ZMQ_DONTWAIT);
    if (static_cast<std::size_t>(size) < kEventBytes) continue;
    const auto value = base::load<std::uint32_t>(event.data() + kValueAt);
    switch (base::load<std::uint16_t>(event.data())) {
      case ZMQ_EVENT_ACCEPTED:
        return SocketEvent{SocketEvent::Kind::kAccepted, static_cast<int>(value), ""};
      case ZMQ_EVENT_DISCONNECTED:
        return SocketEvent{SocketEvent::Kind::kEnded, static_cast<int>(value), ""};
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return SocketEvent{SocketEvent::Kind::kHandshakeFailed, -1, protocol_reason(value)};
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return SocketEvent{SocketEvent::Kind::kHandshakeFailed, -1, "broken_off"};
      case ZMQ_EVENT_ACCEPT_FAILED:
        return SocketEvent{SocketEvent::Kind::kAcceptFailed, -1, ""};
      default:
        break;
    }
  }
}

}  // namespace sluice::frontend
