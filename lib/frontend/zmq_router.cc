#include "frontend/zmq_router.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "frontend/zmq_frame.h"
#include "frontend/zmq_parts.h"
#include "wire/frame.h"

namespace sluice::frontend {
namespace {

constexpr int kReceiveFramesMax = 64;  // a connection; each may have kFrameBytesMax
constexpr int kSendFramesMax = 1'000;  // a connection; bytes are bounded by whoever sends
constexpr std::size_t kQueuedPeersMin = 256;
// Of a frame that is kept here, beside its bytes.
constexpr std::size_t kFrameCostBytes = 1'024;
constexpr int kBacklog = 1'024;
// ZMQ_ZAP_ENFORCE_DOMAIN: in libzmq since 4.3.0, its name in headers with drafts only.
constexpr int kZapEnforceDomain = 93;
constexpr int kHeartbeatMs = 5'000;
constexpr int kHeartbeatTimeoutMs = 15'000;

zmq::message_t copied_frame(base::ByteView bytes) {
  zmq::message_t frame = make_frame(bytes.size());
  std::copy(bytes.begin(), bytes.end(), frame.data<std::byte>());
  return frame;
}

}  // namespace

class ZmqRouter::Impl {
 public:
  Impl(zmq::context_t& context, const RouterOptions& options)
      : options_(options), socket_(context, zmq::socket_type::router) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::router_mandatory, true);
    socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(wire::kFrameBytesMax));
    socket_.set(zmq::sockopt::rcvhwm, kReceiveFramesMax);
    socket_.set(zmq::sockopt::sndhwm, kSendFramesMax);
    socket_.set(zmq::sockopt::handshake_ivl, static_cast<int>(options.handshake_timeout.count()));
    socket_.set(zmq::sockopt::backlog, kBacklog);
    // For TCP connections that died without a word; ours are in the session table.
    socket_.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    socket_.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    socket_.set(zmq::sockopt::heartbeat_ttl, kHeartbeatTimeoutMs);
    if (!options.curve_secret.empty()) {
      socket_.set(zmq::sockopt::curve_server, true);
      socket_.set(zmq::sockopt::curve_secretkey, options.curve_secret);
      socket_.set(zmq::sockopt::zap_domain, "sluice");
      // Without it a connection that no gatekeeper has checked is let in, and may name itself as it
      // likes: User-Id is then what the peer says.
      const int enforced = 1;
      CHECK(zmq_setsockopt(socket_.handle(), kZapEnforceDomain, &enforced, sizeof enforced) == 0);
    }
    monitor_.emplace(context.handle(), socket_.handle(), std::to_string(options.door));
    socket_.bind(options.endpoint);
    endpoint_ = socket_.get(zmq::sockopt::last_endpoint);
  }

  Inbound receive();
  void answer_or_drop(base::ByteView frame);
  SendResult post(Peer peer, zmq::message_t message);
  std::vector<Peer> flush();

  void post_or_drop(Peer peer, zmq::message_t message) {
    if (!outboxes_.contains(peer)) hand_over(peer, message);
  }
  void forget(Peer peer) {
    outboxes_.erase(peer);
    queued_.erase(peer);
  }
  std::size_t waiting_bytes(Peer peer) const;
  void close(int linger_ms);
  const std::string& endpoint() const { return endpoint_; }
  std::uint8_t door() const { return options_.door; }
  void* handle() { return socket_.handle(); }
  ZmqMonitor& monitor() { return *monitor_; }
  int received_fd() { return zmq_msg_get(frame_.handle(), ZMQ_SRCFD); }
  bool has_waiting() const { return !outboxes_.empty(); }
  std::uint64_t frames_sent() const { return frames_sent_; }

 private:
  struct Outbox {
    std::deque<zmq::message_t> frames;
    std::size_t bytes = 0;
  };

  SendResult address(const void* routing_id, std::size_t bytes);
  SendResult send_addressed(zmq::message_t& message);
  SendResult hand_over(Peer peer, zmq::message_t& message);
  const std::shared_ptr<QueuedBytes>& queued_of(Peer peer);
  void drop_parts();

  const RouterOptions options_;
  zmq::socket_t socket_;
  std::optional<ZmqMonitor> monitor_;
  std::string endpoint_;
  zmq::message_t routing_id_;
  zmq::message_t frame_;
  std::unordered_map<Peer, Outbox> outboxes_;
  std::unordered_map<Peer, std::shared_ptr<QueuedBytes>> queued_;
  std::size_t queued_peers_max_ = kQueuedPeersMin;
  std::uint64_t frames_sent_ = 0;
};

Inbound ZmqRouter::Impl::receive() {
  if (!socket_.recv(routing_id_, zmq::recv_flags::dontwait)) return {};
  // Whole messages arrive: once the routing id is here, so is the rest.
  if (!routing_id_.more() || !socket_.recv(frame_, zmq::recv_flags::dontwait)) return {};
  const bool parts = frame_.more();
  if (parts) drop_parts();
  const auto* id = routing_id_.data<std::byte>();
  const char* user = zmq_msg_gets(frame_.handle(), "User-Id");
  if (user == nullptr) user = "";
  // Generated ids begin with a zero byte; chosen ones must not.
  if (routing_id_.size() != kRoutingIdBytes || id[0] != std::byte{0}) {
    return {Inbound::Kind::kNobody, Peer{}, {}, user};
  }
  std::byte bytes[kRoutingIdBytes];
  std::memcpy(bytes, id, kRoutingIdBytes);
  const Peer peer = make_peer(options_.port, bytes, options_.door);
  if (!options_.curve_secret.empty() && *user == '\0') {
    return {Inbound::Kind::kStranger, peer, {}, {}};
  }
  if (parts) return {Inbound::Kind::kParts, peer, {}, {}};
  return {Inbound::Kind::kFrame, peer, {frame_.data<std::byte>(), frame_.size()}, user};
}

void ZmqRouter::Impl::answer_or_drop(base::ByteView frame) {
  if (address(routing_id_.data(), routing_id_.size()) != SendResult::kSent) return;
  zmq::message_t message = copied_frame(frame);
  send_addressed(message);
}

void ZmqRouter::Impl::drop_parts() {
  while (frame_.more()) {
    if (!socket_.recv(frame_, zmq::recv_flags::dontwait)) return;
  }
}

const std::shared_ptr<QueuedBytes>& ZmqRouter::Impl::queued_of(Peer peer) {
  if (queued_.size() >= queued_peers_max_) {
    // Whoever has nothing queued, or is gone.
    std::erase_if(queued_, [](const auto& one) { return one.second.use_count() == 1; });
    queued_peers_max_ = std::max(kQueuedPeersMin, 2 * queued_.size());
  }
  std::shared_ptr<QueuedBytes>& queued = queued_[peer];
  if (queued == nullptr) queued = std::make_shared<QueuedBytes>(0);
  return queued;
}

std::size_t ZmqRouter::Impl::waiting_bytes(Peer peer) const {
  std::size_t bytes = 0;
  if (const auto queued = queued_.find(peer); queued != queued_.end()) bytes += *queued->second;
  if (const auto outbox = outboxes_.find(peer); outbox != outboxes_.end()) {
    bytes += outbox->second.bytes + outbox->second.frames.size() * kFrameCostBytes;
  }
  return bytes;
}

// Whom the next frame is for. kOverflow here means: not now.
SendResult ZmqRouter::Impl::address(const void* routing_id, std::size_t bytes) {
  zmq::message_t message(routing_id, bytes);
  const int flags = ZMQ_SNDMORE | ZMQ_DONTWAIT;
  if (zmq_msg_send(message.handle(), socket_.handle(), flags) >= 0) return SendResult::kSent;
  return zmq_errno() == EAGAIN ? SendResult::kOverflow : SendResult::kNoPeer;
}

// The connection was checked with the routing id; the rest of the message always follows.
SendResult ZmqRouter::Impl::send_addressed(zmq::message_t& message) {
  if (zmq_msg_send(message.handle(), socket_.handle(), ZMQ_DONTWAIT) < 0) {
    return SendResult::kNoPeer;
  }
  ++frames_sent_;
  return SendResult::kSent;
}

SendResult ZmqRouter::Impl::hand_over(Peer peer, zmq::message_t& message) {
  std::byte id[kRoutingIdBytes];
  store_routing_id(peer, id);
  const SendResult addressed = address(id, kRoutingIdBytes);
  if (addressed != SendResult::kSent) return addressed;
  if (message.size() >= kCountedFrameBytes) count_frame(message, queued_of(peer));
  return send_addressed(message);
}

SendResult ZmqRouter::Impl::post(Peer peer, zmq::message_t message) {
  const auto waiting = outboxes_.find(peer);
  if (waiting == outboxes_.end()) {
    const SendResult result = hand_over(peer, message);
    if (result != SendResult::kOverflow) return result;
  }
  Outbox& outbox = waiting == outboxes_.end() ? outboxes_[peer] : waiting->second;
  if (outbox.frames.size() >= options_.outbox_frames_max ||
      outbox.bytes + message.size() > options_.outbox_bytes_max) {
    return SendResult::kOverflow;
  }
  outbox.bytes += message.size();
  outbox.frames.push_back(std::move(message));
  return SendResult::kSent;
}

std::vector<Peer> ZmqRouter::Impl::flush() {
  std::vector<Peer> gone;
  for (auto at = outboxes_.begin(); at != outboxes_.end();) {
    Outbox& outbox = at->second;
    while (!outbox.frames.empty()) {
      const std::size_t bytes = outbox.frames.front().size();
      const SendResult result = hand_over(at->first, outbox.frames.front());
      if (result == SendResult::kOverflow) break;
      if (result == SendResult::kNoPeer) {
        outbox.frames.clear();
        gone.push_back(at->first);
        break;
      }
      outbox.bytes -= bytes;
      outbox.frames.pop_front();
    }
    at = outbox.frames.empty() ? outboxes_.erase(at) : std::next(at);
  }
  return gone;
}

void ZmqRouter::Impl::close(int linger_ms) {
  outboxes_.clear();
  monitor_.reset();
  try {
    socket_.set(zmq::sockopt::linger, linger_ms);
  } catch (const zmq::error_t&) {
    // Then nothing lingers.
  }
  socket_.close();
}

base::Result<std::unique_ptr<ZmqRouter>> ZmqRouter::open(ZmqContext& context,
                                                         const RouterOptions& options) {
  try {
    auto impl = std::make_unique<Impl>(context.impl().context, options);
    return std::unique_ptr<ZmqRouter>(new ZmqRouter(std::move(impl)));
  } catch (const zmq::error_t& error) {
    return zmq_error("cannot listen on " + options.endpoint, error.num());
  }
}

ZmqRouter::ZmqRouter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ZmqRouter::~ZmqRouter() = default;

const std::string& ZmqRouter::endpoint() const { return impl_->endpoint(); }

Inbound ZmqRouter::receive() {
  try {
    return impl_->receive();
  } catch (const zmq::error_t& error) {
    CHECK(error.num() == EINTR);
    return {};
  }
}

void ZmqRouter::answer_or_drop(base::ByteView frame) { impl_->answer_or_drop(frame); }

SendResult ZmqRouter::send(Peer peer, base::ByteView frame) {
  return impl_->post(peer, copied_frame(frame));
}

SendResult ZmqRouter::send(Peer peer, std::size_t bytes, const Fill& fill) {
  zmq::message_t message = make_frame(bytes);
  const base::Status filled = fill({message.data<std::byte>(), message.size()});
  if (!filled.has_value()) return SendResult::kFailed;
  return impl_->post(peer, std::move(message));
}

void ZmqRouter::send_or_drop(Peer peer, base::ByteView frame) {
  impl_->post_or_drop(peer, copied_frame(frame));
}

void ZmqRouter::forget(Peer peer) { impl_->forget(peer); }
std::size_t ZmqRouter::waiting_bytes(Peer peer) { return impl_->waiting_bytes(peer); }

std::vector<Peer> ZmqRouter::flush() { return impl_->flush(); }
bool ZmqRouter::has_waiting() const { return impl_->has_waiting(); }
std::uint64_t ZmqRouter::frames_sent() const { return impl_->frames_sent(); }
void* ZmqRouter::handle() { return impl_->handle(); }
std::optional<SocketEvent> ZmqRouter::next_event() { return impl_->monitor().next(); }
std::uint8_t ZmqRouter::door() const { return impl_->door(); }
int ZmqRouter::received_fd() { return impl_->received_fd(); }
void* ZmqRouter::monitor_handle() { return impl_->monitor().handle(); }

void ZmqRouter::close(int linger_ms) { impl_->close(linger_ms); }

}  // namespace sluice::frontend
