#include "client/zmq_transport.h"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "client/zmq_connection.h"
#include "client/zmq_connection_events.h"
#include "runtime/posix/wakeup.h"

namespace sluice::client {
namespace {

constexpr std::int64_t kPollMsMax = 3'600'000;
constexpr base::Nanos kLookInterval{1'000'000'000};
// Below this a copy is cheaper than a callback on the I/O thread.
constexpr std::size_t kZeroCopyBytesMin = 16 * 1024;

// A received message; its address is stable, so views into small messages stay good too.
class Received {
 public:
  Received() { zmq_msg_init(&message_); }
  ~Received() { zmq_msg_close(&message_); }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  zmq_msg_t* get() { return &message_; }
  base::ByteView bytes() {
    return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }

 private:
  zmq_msg_t message_;
};

// Called by the I/O thread, or by us when the message was never sent.
void give_back(void* /*data*/, void* hint) {
  auto* frame = static_cast<std::shared_ptr<OutboundBuffer>*>(hint);
  (*frame)->give_back();
  delete frame;
}

// What stands behind the last colon.
std::string_view port_of(std::string_view endpoint) {
  return endpoint.substr(endpoint.rfind(':') + 1);
}

class ZmqTransport final : public Transport {
 public:
  ZmqTransport(std::string endpoint, std::string keys_folder,
               std::optional<access::Credentials> credentials, bool endpoint_wins)
      : endpoint_(std::move(endpoint)),
        keys_folder_(std::move(keys_folder)),
        endpoint_wins_(endpoint_wins),
        credentials_(std::move(credentials)),
        context_(zmq_ctx_new(), end_context) {
    CHECK(context_ != nullptr);
    make_wakeup();
  }

  // A peer of `root`.
  ZmqTransport(std::string endpoint, ZmqTransport& root)
      : endpoint_(std::move(endpoint)),
        keys_folder_(root.keys_folder_),
        endpoint_wins_(true),
        credentials_(root.credentials_),
        context_(root.context_),
        root_(&root),
        home_port_(port_of(root.endpoint_)) {
    make_wakeup();
    root.peers_.push_back(this);
  }

  std::unique_ptr<Transport> peer(const std::string& endpoint) override {
    return std::make_unique<ZmqTransport>(endpoint, *this);
  }

  void make_wakeup() {
    base::Result<std::unique_ptr<runtime::Wakeup>> wakeup = runtime::Wakeup::create();
    CHECK(wakeup.has_value());
    wakeup_ = std::move(*wakeup);
  }

  ~ZmqTransport() override {
    if (root_ != nullptr) std::erase(root_->peers_, this);
    close(events_.connected() ? kGoodbyeLingerMs : 0);
  }

  base::MonoTime now() const override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return base::MonoTime(std::chrono::duration_cast<base::Nanos>(since).count());
  }

  base::Status connect(std::size_t turn) override {
    close(0);
    events_ = {};
    if (!keys_folder_.empty()) {
      base::Status status = read_keys();
      // Once read, a folder that somebody is just changing is no reason to end.
      if (!status.has_value() && !credentials_) return status;
      looked_at_ = now();
    }
    const std::vector<std::string> endpoints = split_endpoints(endpoint_);
    if (endpoints.empty()) return base::invalid_argument("endpoint: there is none");
    const std::string& endpoint = endpoints[turn % endpoints.size()];
    socket_ = zmq_socket(context_.get(), ZMQ_DEALER);
    if (socket_ == nullptr) return base::unavailable(std::string("socket: ") + zmq_strerror(errno));
    set_up_dealer(socket_);
    set_option(socket_, ZMQ_TCP_KEEPALIVE, 1);
    if (credentials_) {
      base::Status status = use_curve(socket_, credentials_->secret_key, credentials_->broker_key);
      if (!status.has_value()) {
        close(0);
        return status;
      }
    }
    watch();
    if (zmq_connect(socket_, endpoint.c_str()) != 0) {
      const int reason = errno;
      close(0);
      return base::invalid_argument("endpoint '" + endpoint + "': " + zmq_strerror(reason));
    }
    return {};
  }

  bool send(base::ByteView frame) override {
    return socket_ != nullptr && zmq_send(socket_, frame.data(), frame.size(), ZMQ_DONTWAIT) >= 0;
  }

  bool send(std::shared_ptr<OutboundBuffer> frame) override {
    if (frame->size() < kZeroCopyBytesMin) return send(frame->view());
    if (socket_ == nullptr) return false;
    frame->lend();
    std::byte* const data = frame->data();
    const std::size_t size = frame->size();
    auto* hint = new std::shared_ptr<OutboundBuffer>(std::move(frame));
    zmq_msg_t message;
    CHECK(zmq_msg_init_data(&message, data, size, give_back, hint) == 0);
    if (zmq_msg_send(&message, socket_, ZMQ_DONTWAIT) >= 0) return true;
    zmq_msg_close(&message);
    return false;
  }

  std::optional<InboundFrame> receive() override {
    while (socket_ != nullptr) {
      if (spare_ == nullptr) spare_ = std::make_shared<Received>();
      if (zmq_msg_recv(spare_->get(), socket_, ZMQ_DONTWAIT) < 0) return std::nullopt;
      const bool more = zmq_msg_more(spare_->get()) != 0;
      if (more || in_multipart_) {
        // No frame of ours has parts; whoever sends some is no broker.
        in_multipart_ = more;
        continue;
      }
      const base::ByteView bytes = spare_->bytes();
      return InboundFrame(std::exchange(spare_, nullptr), bytes);
    }
    return std::nullopt;
  }

  Event wait(base::Nanos timeout) override {
    std::vector<zmq_pollitem_t>& items = items_;
    items.clear();
    items.push_back({nullptr, wakeup_->fd(), ZMQ_POLLIN, 0});
    const auto add = [&items](const ZmqTransport& one) {
      if (one.socket_ == nullptr) return;
      items.push_back({one.socket_, 0, ZMQ_POLLIN, 0});
      items.push_back({one.monitor_, 0, ZMQ_POLLIN, 0});
    };
    add(*this);
    for (const ZmqTransport* peer : peers_) add(*peer);
    const bool connected = socket_ != nullptr;
    const int count =
        zmq_poll(items.data(), static_cast<int>(items.size()), poll_ms(timeout, kPollMsMax));
    if (socket_ != nullptr && has_moved()) return Event::kLost;
    if (count <= 0) return Event::kTimeout;
    const auto ready = [&items](std::size_t index) {
      return (items[index].revents & ZMQ_POLLIN) != 0;
    };
    // An interruption of the same moment is for the next call.
    if (connected && ready(2) && read_monitor()) return Event::kLost;
    if (ready(0)) {
      wakeup_->clear();
      return Event::kInterrupted;
    }
    // What a peer's monitor says the peer reads.
    const bool others = count > (connected && ready(2) ? 1 : 0);
    return others ? Event::kFrames : Event::kTimeout;
  }

  std::size_t endpoints() const override { return split_endpoints(endpoint_).size(); }
  void interrupt() override { wakeup_->notify(); }
  Refusal refusal() const override {
    switch (events_.failure()) {
      case HandshakeFailure::kNone:
        return {};
      case HandshakeFailure::kKeyRefused:
        return {"the broker refused this key", true};
      case HandshakeFailure::kProtocol:
        return {no_handshake(), true};
      case HandshakeFailure::kBrokenOff:
        return {no_handshake(), false};
    }
    return {};
  }

 private:
  static void end_context(void* context) {
    while (zmq_ctx_term(context) != 0 && errno == EINTR) {
    }
  }

  const char* no_handshake() const {
    return credentials_ ? "no handshake: broker.pub is not this broker's key, or it uses no keys, "
                          "or cannot check any now"
                        : "no handshake: this broker lets in only who has a key";
  }

  base::Status read_keys() {
    ASSIGN_OR_RETURN(access::ClientKeys keys, access::read_client_keys(keys_folder_));
    if (follows(keys.endpoint)) follow(keys.endpoint);
    if (!keys.endpoint.empty() && !endpoint_wins_) endpoint_ = std::move(keys.endpoint);
    credentials_ = std::move(keys.credentials);
    return {};
  }

  // The folder names another broker than the one we are connected to. Asked about once a second; a
  // folder that cannot be read, or is being changed, says nothing.
  bool has_moved() {
    if (keys_folder_.empty() || now() < looked_at_ + kLookInterval) return false;
    looked_at_ = now();
    const auto keys = access::read_client_keys(keys_folder_);
    if (!keys.has_value()) return false;
    return (!endpoint_wins_ && !keys->endpoint.empty() && keys->endpoint != endpoint_) ||
           (follows(keys->endpoint) && port_of(keys->endpoint) != home_port_) ||
           keys->credentials.broker_key != credentials_->broker_key;
  }

  // A peer whose root goes where the folder says: `home` is where that is.
  bool follows(const std::string& home) const {
    return root_ != nullptr && !root_->endpoint_wins_ && !home.empty();
  }
  // Brokers of shards name each other with the port at which a client came in, which is that of
  // their key: where the folder names another port, the peers are there too.
  void follow(const std::string& home) {
    std::string port(port_of(home));
    if (port == home_port_) return;
    if (port_of(endpoint_) == home_port_) {
      endpoint_.replace(endpoint_.size() - home_port_.size(), home_port_.size(), port);
    }
    home_port_ = std::move(port);
  }

  void watch() {
    // One of its own also among the peers, who share the context.
    const std::string name = "watch-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)) +
                             "-" + std::to_string(++connects_);
    monitor_ = watch_connection(context_.get(), socket_, name);
    CHECK(monitor_ != nullptr);
  }

  // True = the connection is gone, or never came about.
  bool read_monitor() {
    bool lost = false;
    while (const auto heard = next_connection_event(monitor_)) lost = events_.take(*heard) || lost;
    return lost;
  }

  void close(int linger_ms) {
    if (socket_ == nullptr) return;
    zmq_socket_monitor(socket_, nullptr, 0);
    zmq_close(monitor_);
    set_option(socket_, ZMQ_LINGER, linger_ms);
    zmq_close(socket_);
    socket_ = nullptr;
    monitor_ = nullptr;
    in_multipart_ = false;
  }

  std::string endpoint_;
  std::unique_ptr<runtime::Wakeup> wakeup_;
  const std::string keys_folder_;
  const bool endpoint_wins_;
  std::optional<access::Credentials> credentials_;
  base::MonoTime looked_at_;
  ConnectionEvents events_;
  std::shared_ptr<void> context_;  // peers have the same
  ZmqTransport* const root_ = nullptr;
  std::string home_port_;  // of a peer: that of the root when this one's endpoint was right
  std::vector<ZmqTransport*> peers_;
  std::vector<zmq_pollitem_t> items_;
  void* socket_ = nullptr;
  void* monitor_ = nullptr;
  std::shared_ptr<Received> spare_;
  std::uint64_t connects_ = 0;
  bool in_multipart_ = false;
};

}  // namespace

std::vector<std::string> split_endpoints(std::string_view text) {
  std::vector<std::string> endpoints;
  while (!text.empty()) {
    std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    one = one.substr(0, one.find_last_not_of(' ') + 1);
    if (!one.empty()) endpoints.emplace_back(one);
  }
  return endpoints;
}

std::unique_ptr<Transport> make_zmq_transport(std::string endpoint, std::string keys_folder,
                                              std::optional<access::Credentials> credentials,
                                              bool endpoint_wins) {
  return std::make_unique<ZmqTransport>(std::move(endpoint), std::move(keys_folder),
                                        std::move(credentials), endpoint_wins);
}

}  // namespace sluice::client
