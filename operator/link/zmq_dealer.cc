#include "operator/link/zmq_dealer.h"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "client/zmq_keys.h"
#include "wire/frame.h"

namespace sluice::link {
namespace {

constexpr int kGoodbyeLingerMs = 500;
constexpr int kConnectTimeoutMs = 5'000;
constexpr int kFramesAtOnce = 256;

void set_option(void* socket, int option, int value) {
  CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

// Monitors are found by a name; one in the process each.
std::string next_monitor_name() {
  static std::atomic<std::uint64_t> number{0};
  return "inproc://link-watch-" + std::to_string(++number);
}

}  // namespace

ZmqLinkContext::ZmqLinkContext() : context_(zmq_ctx_new()) {
  CHECK(context_ != nullptr);
  // A link has two sockets, and an operator thousands of links.
  const int sockets_max = zmq_ctx_get(context_, ZMQ_SOCKET_LIMIT);
  zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, std::min(sockets_max, 65'535));
}

ZmqLinkContext::~ZmqLinkContext() {
  while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
  }
}

ZmqDealer::ZmqDealer(ZmqLinkContext& context, LinkAddress address)
    : context_(context), address_(std::move(address)) {}

ZmqDealer::~ZmqDealer() { close(connected_ ? kGoodbyeLingerMs : 0); }

base::Status ZmqDealer::connect() {
  close(0);
  socket_ = zmq_socket(context_.get(), ZMQ_DEALER);
  if (socket_ == nullptr) return base::unavailable(std::string("socket: ") + zmq_strerror(errno));
  set_option(socket_, ZMQ_LINGER, 0);
  set_option(socket_, ZMQ_SNDHWM, 0);
  set_option(socket_, ZMQ_RCVHWM, 0);
  // A lost connection is the session's to repair: see docs/protocol.md, "Transport".
  set_option(socket_, ZMQ_RECONNECT_IVL, -1);
  set_option(socket_, ZMQ_CONNECT_TIMEOUT, kConnectTimeoutMs);
  set_option(socket_, ZMQ_HANDSHAKE_IVL, kConnectTimeoutMs);
  set_option(socket_, ZMQ_IPV6, 1);
  const auto frame_max = static_cast<std::int64_t>(wire::kFrameBytesMax);
  CHECK(zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0);
  if (base::Status status = use_keys(); !status.has_value()) {
    close(0);
    return status;
  }
  const std::string name = next_monitor_name();
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  monitor_ = zmq_socket(context_.get(), ZMQ_PAIR);
  const bool watched = monitor_ != nullptr &&
                       zmq_socket_monitor(socket_, name.c_str(), kEvents) == 0 &&
                       zmq_connect(monitor_, name.c_str()) == 0;
  if (!watched || zmq_connect(socket_, address_.endpoint.c_str()) != 0) {
    const std::string reason = zmq_strerror(errno);
    close(0);
    return base::unavailable(address_.endpoint + ": " + reason);
  }
  return {};
}

base::Status ZmqDealer::use_keys() {
  if (address_.client_secret.empty() && address_.broker_key.empty()) return {};
  ASSIGN_OR_RETURN(const std::string public_key, client::public_key_of(address_.client_secret));
  const auto set = [this](int option, const std::string& key) {
    return zmq_setsockopt(socket_, option, key.c_str(), key.size() + 1) == 0;
  };
  if (set(ZMQ_CURVE_SERVERKEY, address_.broker_key) && set(ZMQ_CURVE_PUBLICKEY, public_key) &&
      set(ZMQ_CURVE_SECRETKEY, address_.client_secret)) {
    return {};
  }
  return base::invalid_argument("broker key: 40 characters of Z85 expected");
}

void ZmqDealer::disconnect() { close(0); }

void ZmqDealer::close(int linger_ms) {
  if (socket_ == nullptr) return;
  zmq_socket_monitor(socket_, nullptr, 0);
  if (monitor_ != nullptr) {
    set_option(monitor_, ZMQ_LINGER, 0);
    zmq_close(monitor_);
  }
  set_option(socket_, ZMQ_LINGER, linger_ms);
  zmq_close(socket_);
  socket_ = nullptr;
  monitor_ = nullptr;
  connected_ = false;
}

bool ZmqDealer::send(base::ByteView frame) {
  return socket_ != nullptr && zmq_send(socket_, frame.data(), frame.size(), ZMQ_DONTWAIT) >= 0;
}

void ZmqDealer::receive(const std::function<void(base::ByteView)>& frame) {
  for (int i = 0; i < kFramesAtOnce && socket_ != nullptr; ++i) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    const bool here = zmq_msg_recv(&message, socket_, ZMQ_DONTWAIT) >= 0;
    // No frame of ours has parts; whoever sends some is no broker, and is told apart by its bytes.
    if (here) {
      frame({static_cast<const std::byte*>(zmq_msg_data(&message)), zmq_msg_size(&message)});
    }
    zmq_msg_close(&message);
    if (!here) return;
  }
}

bool ZmqDealer::read_monitor(std::string& why) {
  bool lost = false;
  std::array<std::byte, 8> event{};
  while (monitor_ != nullptr && zmq_recv(monitor_, event.data(), event.size(), ZMQ_DONTWAIT) >= 2) {
    const auto number = base::load<std::uint16_t>(event.data());
    if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) connected_ = true;
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
      why = "the broker refused this key";
    } else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
               number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) {
      why = "no handshake: the broker has another key, or uses none";
    }
    lost = lost || number == ZMQ_EVENT_DISCONNECTED || number == ZMQ_EVENT_CLOSED;
    std::array<char, 256> address;  // the second part
    zmq_recv(monitor_, address.data(), address.size(), ZMQ_DONTWAIT);
  }
  return lost;
}

void wait_for_input(const std::vector<void*>& sockets, int descriptor, base::Nanos timeout) {
  std::vector<zmq_pollitem_t> items;
  items.reserve(sockets.size() + 1);
  items.push_back({nullptr, descriptor, ZMQ_POLLIN, 0});
  for (void* socket : sockets) items.push_back({socket, 0, ZMQ_POLLIN, 0});
  const std::int64_t ms = (std::max<std::int64_t>(timeout.count(), 0) + base::kNanosPerMilli - 1) /
                          base::kNanosPerMilli;
  zmq_poll(items.data(), static_cast<int>(items.size()),
           static_cast<long>(std::min<std::int64_t>(ms, 60'000)));
}

}  // namespace sluice::link
