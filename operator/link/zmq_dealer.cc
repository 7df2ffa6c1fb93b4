#include "operator/link/zmq_dealer.h"

#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/check.h"
#include "client/zmq_connection.h"

namespace sluice::link {
namespace {

constexpr int kFramesAtOnce = 256;
constexpr std::int64_t kPollMsMax = 60'000;

// Monitors are found by a name; one in the process each.
std::string next_monitor_name() {
  static std::atomic<std::uint64_t> number{0};
  return "link-watch-" + std::to_string(++number);
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

ZmqDealer::~ZmqDealer() { close(events_.connected() ? client::kGoodbyeLingerMs : 0); }

base::Status ZmqDealer::connect() {
  close(0);
  events_ = {};
  socket_ = zmq_socket(context_.get(), ZMQ_DEALER);
  if (socket_ == nullptr) return base::unavailable(std::string("socket: ") + zmq_strerror(errno));
  client::set_up_dealer(socket_);
  if (base::Status status = use_keys(); !status.has_value()) {
    close(0);
    return status;
  }
  monitor_ = client::watch_connection(context_.get(), socket_, next_monitor_name());
  if (monitor_ == nullptr || zmq_connect(socket_, address_.endpoint.c_str()) != 0) {
    const std::string reason = zmq_strerror(errno);
    close(0);
    return base::unavailable(address_.endpoint + ": " + reason);
  }
  return {};
}

base::Status ZmqDealer::use_keys() {
  if (address_.client_secret.empty() && address_.broker_key.empty()) return {};
  return client::use_curve(socket_, address_.client_secret, address_.broker_key);
}

void ZmqDealer::disconnect() { close(0); }

void ZmqDealer::close(int linger_ms) {
  if (socket_ == nullptr) return;
  zmq_socket_monitor(socket_, nullptr, 0);
  if (monitor_ != nullptr) zmq_close(monitor_);
  client::set_option(socket_, ZMQ_LINGER, linger_ms);
  zmq_close(socket_);
  socket_ = nullptr;
  monitor_ = nullptr;
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

bool ZmqDealer::read_monitor() {
  bool lost = false;
  while (monitor_ != nullptr) {
    const auto heard = client::next_connection_event(monitor_);
    if (!heard) break;
    lost = events_.take(*heard) || lost;
  }
  return lost;
}

std::string_view ZmqDealer::refusal() const {
  switch (events_.failure()) {
    case client::HandshakeFailure::kNone:
      return {};
    case client::HandshakeFailure::kKeyRefused:
      return "the broker refused this key";
    case client::HandshakeFailure::kProtocol:
    case client::HandshakeFailure::kBrokenOff:
      return "no handshake: the broker has another key, or uses none";
  }
  return {};
}

void wait_for_input(const std::vector<void*>& sockets, int descriptor, base::Nanos timeout) {
  std::vector<zmq_pollitem_t> items;
  items.reserve(sockets.size() + 1);
  items.push_back({nullptr, descriptor, ZMQ_POLLIN, 0});
  for (void* socket : sockets) items.push_back({socket, 0, ZMQ_POLLIN, 0});
  zmq_poll(items.data(), static_cast<int>(items.size()), client::poll_ms(timeout, kPollMsMax));
}

}  // namespace sluice::link
