#pragma once

#include <zmq.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "client/zmq_keys.h"

namespace sluice::test {

// A ZeroMQ client without manners: with any key or none, any routing id, and whatever bytes it is
// given. One thread.
class RawClient {
 public:
  struct Options {
    std::string endpoint;
    const client::KeyPair* keys = nullptr;  // null = plain text
    std::string broker_key;
    base::ByteView routing_id = {};  // empty = the broker's to draw
    int frames_max = 0;              // that wait to be received; 0 = ZeroMQ's own limit
  };
  explicit RawClient(const Options& options)
      : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER)) {
    set(ZMQ_LINGER, 0);
    set(ZMQ_RECONNECT_IVL, -1);
    set(ZMQ_SNDTIMEO, kSendPatienceMs);
    if (options.frames_max > 0) set(ZMQ_RCVHWM, options.frames_max);
    if (!options.routing_id.empty()) {
      CHECK(zmq_setsockopt(socket_, ZMQ_ROUTING_ID, options.routing_id.data(),
                           options.routing_id.size()) == 0);
    }
    if (options.keys != nullptr) {
      set(ZMQ_CURVE_SERVERKEY, options.broker_key);
      set(ZMQ_CURVE_PUBLICKEY, options.keys->public_key);
      set(ZMQ_CURVE_SECRETKEY, options.keys->secret_key);
    }
    CHECK(zmq_connect(socket_, options.endpoint.c_str()) == 0);
  }
  ~RawClient() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // Whose connection the broker has ended already has nowhere to send to: that is given up after
  // kSendPatienceMs.
  void send(base::ByteView bytes) { zmq_send(socket_, bytes.data(), bytes.size(), 0); }
  void send(const std::string& text) { send(base::as_bytes(text)); }
  // The next message, or nothing within `patience`.
  std::optional<std::vector<std::byte>> receive(std::chrono::milliseconds patience) {
    zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, static_cast<long>(patience.count())) <= 0) return std::nullopt;
    std::vector<std::byte> bytes(kBytesMax);
    const int size = zmq_recv(socket_, bytes.data(), bytes.size(), ZMQ_DONTWAIT);
    if (size < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
  }

 private:
  static constexpr std::size_t kBytesMax = 512 * 1024;
  static constexpr int kSendPatienceMs = 5'000;

  void set(int option, int value) {
    CHECK(zmq_setsockopt(socket_, option, &value, sizeof value) == 0);
  }
  void set(int option, const std::string& value) {
    CHECK(zmq_setsockopt(socket_, option, value.c_str(), value.size() + 1) == 0);
  }

  void* context_;
  void* socket_;
};

}  // namespace sluice::test
