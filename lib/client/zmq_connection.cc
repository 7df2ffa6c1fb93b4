#include "client/zmq_connection.h"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "base/bytes.h"
#include "base/check.h"
#include "client/zmq_keys.h"
#include "wire/frame.h"

namespace sluice::client {

void set_option(void* socket, int option, int value) {
  CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

void set_up_dealer(void* socket) {
  set_option(socket, ZMQ_LINGER, 0);
  // Credit is the limit, so that nothing is ever stuck or dropped in here.
  set_option(socket, ZMQ_SNDHWM, 0);
  set_option(socket, ZMQ_RCVHWM, 0);
  // A lost connection is ours to repair: a socket that reconnects by itself would send what it
  // had queued before our HELLO.
  set_option(socket, ZMQ_RECONNECT_IVL, -1);
  set_option(socket, ZMQ_CONNECT_TIMEOUT, kConnectTimeoutMs);
  set_option(socket, ZMQ_HANDSHAKE_IVL, kConnectTimeoutMs);
  set_option(socket, ZMQ_IPV6, 1);
  const auto frame_max = static_cast<std::int64_t>(wire::kFrameBytesMax);
  CHECK(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0);
}

base::Status use_curve(void* socket, const std::string& secret_key, const std::string& broker_key) {
  ASSIGN_OR_RETURN(const std::string public_key, public_key_of(secret_key));
  const auto set = [socket](int option, const std::string& key) {
    return zmq_setsockopt(socket, option, key.c_str(), key.size() + 1) == 0;
  };
  if (set(ZMQ_CURVE_SERVERKEY, broker_key) && set(ZMQ_CURVE_PUBLICKEY, public_key) &&
      set(ZMQ_CURVE_SECRETKEY, secret_key)) {
    return {};
  }
  return base::invalid_argument("broker key: 40 characters of Z85 expected");
}

void* watch_connection(void* context, void* socket, const std::string& name) {
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  const std::string address = "inproc://" + name;
  void* const monitor = zmq_socket(context, ZMQ_PAIR);
  if (monitor == nullptr) return nullptr;
  set_option(monitor, ZMQ_LINGER, 0);
  if (zmq_socket_monitor(socket, address.c_str(), kEvents) == 0 &&
      zmq_connect(monitor, address.c_str()) == 0) {
    return monitor;
  }
  const int reason = errno;
  zmq_close(monitor);
  errno = reason;
  return nullptr;
}

std::optional<std::uint16_t> next_connection_event(void* monitor) {
  std::array<std::byte, 8> event{};
  if (zmq_recv(monitor, event.data(), event.size(), ZMQ_DONTWAIT) < 2) return std::nullopt;
  std::array<char, 256> address;  // the second part
  zmq_recv(monitor, address.data(), address.size(), ZMQ_DONTWAIT);
  return base::load<std::uint16_t>(event.data());
}

long poll_ms(base::Nanos timeout, std::int64_t ms_max) {
  const std::int64_t ms = (std::max<std::int64_t>(timeout.count(), 0) + base::kNanosPerMilli - 1) /
                          base::kNanosPerMilli;
  return static_cast<long>(std::min(ms, ms_max));
}

}  // namespace sluice::client
